// Entry of guests in C: guest_main(hart id, device tree) returns the number of the check that failed, or 0.
#include "guest.inc"

GUEST_BEGIN
    mv a0, s0
    mv a1, s1
    call guest_main
    mv s11, a0
    beqz a0, pass
    j fail

// Writes the value given at build time to the test finisher (sifive,test1).
#include "guest.inc"
GUEST_BEGIN
    PUTS "guest: finisher\n"
    li t0, FINISHER_BASE
    // Values the finisher does not know change nothing.
    li t1, 0x1234
    sw t1, 0(t0)
    sw zero, 0(t0)
    li t1, VALUE
    sw t1, 0(t0)
1:  wfi
    j 1b

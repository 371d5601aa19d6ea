// Entry of guests in C: guest_main(hart id, device tree) returns the number of the check that failed, or 0.
#include "guest.inc"

GUEST_BEGIN
    la sp, c_stack_top
    mv a0, s0
    mv a1, s1
    call guest_main
    mv s11, a0
    beqz a0, pass
    j fail

// Entry of their other harts (harts.h): a0 = hart id, a1 = struct hart_entry.
    .globl hart_begin
    .balign 4
hart_begin:
    csrr a2, satp
    csrr a3, sstatus
    SET_TRAP trap_unexpected
    li s11, 60
    ld sp, 0(a1)
    ld t1, 8(a1)
    jr t1

    .bss
    .balign 16
    .space 16384
c_stack_top:

// long suspend_machine(void), for guests in C: SBI's system suspend (SBI 3.0, ch. 13). Returns 0 when something has
// woken the machine, with sie as that left it, or SBI's error. For one hart at a time.
#include "guest.inc"

#define SBI_SUSP 0x53555350
#define SAVED_STVEC (14 * 8)
#define SAVED_SIZE (15 * 8)

.macro FOR_EACH_SAVED operation, base
    \operation ra, 0(\base)
    \operation sp, 8(\base)
    \operation s0, 16(\base)
    \operation s1, 24(\base)
    \operation s2, 32(\base)
    \operation s3, 40(\base)
    \operation s4, 48(\base)
    \operation s5, 56(\base)
    \operation s6, 64(\base)
    \operation s7, 72(\base)
    \operation s8, 80(\base)
    \operation s9, 88(\base)
    \operation s10, 96(\base)
    \operation s11, 104(\base)
.endm

    .globl suspend_machine
suspend_machine:
    la t0, saved
    FOR_EACH_SAVED sd, t0
    csrr t1, stvec
    sd t1, SAVED_STVEC(t0)
    li a0, 0
    la a1, resumed
    mv a2, t0
    SBI SBI_SUSP, 0
    ret
    .balign 4
resumed:  // a0 = hart id, a1 = what was a2
    FOR_EACH_SAVED ld, a1
    ld t1, SAVED_STVEC(a1)
    csrw stvec, t1
    li a0, 0
    ret

    .bss
    .balign 8
saved:
    .space SAVED_SIZE
    .text

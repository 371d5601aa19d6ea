// Never ends by itself. WHAT, given at build time, is the body of the endless loop; with ALL_HARTS every hart
// runs it.
#include "guest.inc"
#define SBI_OWN_HSM 0x0848534D

// Retentive, with no interrupt enabled that could end it.
.macro SUSPEND
    li a0, 0
    SBI SBI_OWN_HSM, 3
    j pass
.endm

GUEST_BEGIN
    PUTS "guest: ready\n"
#ifdef ALL_HARTS
    li s2, 0
1:  mv a0, s2
    la a1, loop
    li a2, 0
    SBI SBI_HSM, 0
    addi s2, s2, 1
    li t0, SBI_ERR_INVALID_PARAM
    bne a0, t0, 1b
    PUTS "guest: all started\n"
#endif
    .balign 4
loop:
    li s3, UART_BASE
    li s4, 'x'
1:  WHAT
    j 1b

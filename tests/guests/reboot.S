// Announces each boot and resets or ends as the byte on the console says. RAM is not promised to live through a
// reset, so the test counts, not the guest.
#include "guest.inc"
GUEST_BEGIN
    // The UART is as after power-on: what the boot before left in IER is gone.
    CHECK 1
    li t0, UART_BASE
    lbu a0, UART_IER(t0)
    EXPECT_EQ a0, 0
    CHECK 2
    lwu a0, 0(s1)
    EXPECT_EQ a0, 0xedfe0dd0
    // The image was loaded anew: the boot before changed this word.
    CHECK 3
    la t0, fresh
    lw a0, 0(t0)
    EXPECT_EQ a0, 0x600d
    sw zero, 0(t0)
    CHECK 4
    csrr a0, satp
    EXPECT_EQ a0, 0
    // Where no device is: rvvmm's log has it, and counts on across resets.
    li t0, 0x3000
    lw a0, 0(t0)
    PUTS "guest: booted\n"
    call get_byte
    mv s2, a0
    li t0, UART_BASE
    li t1, 0x0f
    sb t1, UART_IER(t0)
    li t1, 'c'
    beq s2, t1, cold
    li t1, 'w'
    beq s2, t1, warm
    li t1, 'f'
    beq s2, t1, finisher
    li t1, 'o'
    beq s2, t1, off
    li s11, 5
    j fail
cold:
    li a0, 1
    li a1, 0
    SBI SBI_SRST, 0
    j refused
warm:
    li a0, 2
    li a1, 0
    SBI SBI_SRST, 0
    j refused
off:
    li a0, 0
    li a1, 0
    SBI SBI_SRST, 0
    j refused
finisher:
    li t0, FINISHER_BASE
    li t1, FINISHER_RESET
    sw t1, 0(t0)
refused:
    li s11, 6
    j fail
    .data
    .balign 4
fresh:
    .word 0x600d

// Takes 16 KiB of console input by polling, and answers with its checksum; then sends 16 KiB.
// Checksum: h = h * 31 + byte, modulo 2^64, from 0.
#include "guest.inc"
GUEST_BEGIN
    CHECK 1  // scratch and divisor registers hold what is written
    li s2, UART_BASE
    li t0, 0xa5
    sb t0, UART_SCR(s2)
    lbu a0, UART_SCR(s2)
    EXPECT_EQ a0, 0xa5
    CHECK 2
    li t0, 0x83
    sb t0, UART_LCR(s2)
    li t0, 0x12
    sb t0, 0(s2)
    li t0, 0x34
    sb t0, 1(s2)
    lbu a0, 0(s2)
    EXPECT_EQ a0, 0x12
    lbu a0, 1(s2)
    EXPECT_EQ a0, 0x34
    CHECK 3
    li t0, 0x03
    sb t0, UART_LCR(s2)
    lbu a0, UART_LCR(s2)
    EXPECT_EQ a0, 0x03
    li t0, 0x01  // FIFO on, not cleared: what is typed before the guest is ready is not lost
    sb t0, UART_FCR(s2)
    CHECK 4
    lbu a0, UART_IIR(s2)
    andi a0, a0, 0xc1
    EXPECT_EQ a0, 0xc1  // FIFOs on, no interrupt pending
    PUTS "guest: input?\n"
    li s3, 16384
    li s4, 0
    li s5, 31
1:  lbu t1, UART_LSR(s2)
    andi t1, t1, LSR_DATA_READY
    beqz t1, 1b
    lbu t1, UART_RBR(s2)
    mul s4, s4, s5
    add s4, s4, t1
    addi s3, s3, -1
    bnez s3, 1b
    PUTS "guest: checksum "
    mv a0, s4
    call print_hex
    PUTS "\n"
    CHECK 5  // nothing was doubled: a while later there is still no data
    li s3, 1000
2:  lbu a0, UART_LSR(s2)
    andi a0, a0, LSR_DATA_READY
    EXPECT_EQ a0, 0
    addi s3, s3, -1
    bnez s3, 2b
    PUTS "guest: output "
    li s3, 16384
    li t0, 'a'
    li t2, 'z'
3:  lbu t1, UART_LSR(s2)
    andi t1, t1, LSR_THR_EMPTY
    beqz t1, 3b
    sb t0, UART_THR(s2)
    addi t0, t0, 1
    bleu t0, t2, 4f
    li t0, 'a'
4:  addi s3, s3, -1
    bnez s3, 3b
    PUTS "\n"
    j pass

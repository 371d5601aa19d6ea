// Loads of each width and sign from an address without a device read all ones, extended exactly as the
// instruction says; stores there are ignored; a device register with its top bit set is extended likewise.
// Linux 6.12 zero-extends LB, LH and LW, which rvvmm mends by decoding: hence many destinations, compressed
// forms, an instruction across a page border, and the same again with paging on.
#include "guest.inc"

.macro LOAD insn, rd, value
    li \rd, 0x5a5a
    \insn \rd, 0(s3)
    EXPECT_EQ \rd, \value
.endm

GUEST_BEGIN
#ifdef PAGED
    CHECK 1
    PAGING_ON
#endif
    li s3, NO_DEVICE
    CHECK 2
    LOAD lb, a0, -1
    LOAD lb, t3, -1
    LOAD lb, s5, -1
    LOAD lb, tp, -1
    CHECK 3
    LOAD lbu, a0, 0xff
    LOAD lbu, t4, 0xff
    CHECK 4
    LOAD lh, a1, -1
    LOAD lh, s7, -1
    LOAD lh, ra, -1
    CHECK 5
    LOAD lhu, a2, 0xffff
    LOAD lhu, s6, 0xffff
    CHECK 6
    .option push
    .option norvc
    LOAD lw, a3, -1
    LOAD lw, t5, -1
    LOAD lw, gp, -1
    .option pop
    CHECK 7
    LOAD lwu, a4, 0xffffffff
    LOAD lwu, s4, 0xffffffff
    CHECK 8
    .option push
    .option norvc
    LOAD ld, a5, -1
    .option pop

    CHECK 9  // compressed: destination and base are x8 to x15
    mv s1, s3
    li a5, 0
    c.lw a5, 0(s1)
    EXPECT_EQ a5, -1
    li a4, 0
    c.lw a4, 4(s1)
    EXPECT_EQ a4, -1
    li a3, 0
    c.ld a3, 8(s1)
    EXPECT_EQ a3, -1
    CHECK 10  // compressed, through the stack pointer
    mv s2, sp
    mv sp, s3
    li t3, 0
    c.lwsp t3, 4(sp)
    li t4, 0
    c.ldsp t4, 8(sp)
    mv sp, s2
    EXPECT_EQ t3, -1
    EXPECT_EQ t4, -1

    CHECK 11  // the base register is the destination too
    mv a0, s3
    lb a0, 1(a0)
    EXPECT_EQ a0, -1
    mv a0, s3
    .option push
    .option norvc
    lw a0, 4(a0)
    .option pop
    EXPECT_EQ a0, -1

    CHECK 12  // an instruction whose halves lie on two pages
    li a0, 0
    j across
back:
    EXPECT_EQ a0, -1

    CHECK 13  // a device register: scratch of the UART
    li s3, UART_BASE + UART_SCR
    li t0, 0x80
    sb t0, 0(s3)
    LOAD lb, a0, -128
    LOAD lbu, a0, 0x80
    li t0, 0x7f
    sb t0, 0(s3)
    LOAD lb, a0, 0x7f

    CHECK 14  // stores go nowhere
    li s3, NO_DEVICE
    li t0, 0x123456789abcdef0
    sb t0, 0(s3)
    sh t0, 2(s3)
    sw t0, 4(s3)
    sd t0, 8(s3)
    .option push
    .option rvc
    mv s1, s3
    mv a5, t0
    c.sw a5, 16(s1)
    c.sd a5, 24(s1)
    .option pop
    LOAD lbu, a0, 0xff
    LOAD lwu, a0, 0xffffffff

    CHECK 15  // a load into x0 changes nothing
    lb zero, 0(s3)
    mv a0, zero
    EXPECT_EQ a0, 0

    CHECK 16  // many in a row
    li s4, 1000
2:  li a0, 0
    lb a0, 0(s3)
    EXPECT_EQ a0, -1
    addi s4, s4, -1
    bnez s4, 2b
    csrw satp, zero
    sfence.vma
    j pass

    .text
    .balign 4096
    .space 4096 - 2
    .option push
    .option norvc
across:
    lb a0, 0(s3)
    .option rvc
    j back
    .option pop

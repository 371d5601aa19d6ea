// The debug console extension (SBI 3.0, ch. 12) with good and hostile arguments. Wants --mem 64M, and "hello"
// on the console after "input?".
#include "guest.inc"
#define RAM_END (RAM_BASE + 64 * 1024 * 1024)

    .data
greeting:
    .ascii "dbcn: written whole\n"
greeting_end:
question:
    .ascii "\ninput?\n"
question_end:
expected:
    .ascii "hello"

// Calls DBCN `fid` with length, low and high word of the address; expects `error` and a1 = 0.
.macro REFUSED fid, length, low, high, error
    li a0, \length
    li a1, \low
    li a2, \high
    SBI SBI_DBCN, \fid
    EXPECT_EQ a0, \error
    EXPECT_EQ a1, 0
.endm

GUEST_BEGIN
    CHECK 1
    li a0, SBI_DBCN
    SBI SBI_BASE, 3
    EXPECT_EQ a0, 0
    EXPECT_EQ a1, 1

    CHECK 2  // a write arrives whole, however many calls it takes
    la s2, greeting
    la s3, greeting_end
    sub s3, s3, s2
    call write_all

    CHECK 3  // length 0
    li a0, 0
    la a1, greeting
    li a2, 0
    SBI SBI_DBCN, 0
    EXPECT_EQ a0, 0
    EXPECT_EQ a1, 0

    CHECK 4  // an odd address
    la s2, greeting + 1
    li s3, 3
    call write_all

    CHECK 5  // lengths that overflow
    REFUSED 0, 0x8000000000000000, RAM_BASE, 0, SBI_ERR_INVALID_PARAM
    REFUSED 0, -1, RAM_BASE, 0, SBI_ERR_INVALID_PARAM
    REFUSED 0, 0x7fffffffffffffff, 0x80200000, 0, SBI_ERR_INVALID_PARAM
    REFUSED 1, 0x8000000000000000, RAM_BASE, 0, SBI_ERR_INVALID_PARAM
    REFUSED 1, -1, 0x80200001, 0, SBI_ERR_INVALID_PARAM

    CHECK 6  // outside RAM: below it, in a device, past it, at the top of the address space
    REFUSED 0, 1, 0, 0, SBI_ERR_INVALID_PARAM
    REFUSED 0, 1, UART_BASE, 0, SBI_ERR_INVALID_PARAM
    REFUSED 0, 1, RAM_BASE - 1, 0, SBI_ERR_INVALID_PARAM
    REFUSED 0, 2, RAM_BASE - 1, 0, SBI_ERR_INVALID_PARAM
    REFUSED 0, 1, RAM_END, 0, SBI_ERR_INVALID_PARAM
    REFUSED 0, 1, -1, 0, SBI_ERR_INVALID_PARAM
    REFUSED 0, 2, -1, 0, SBI_ERR_INVALID_PARAM
    REFUSED 1, 1, RAM_END, 0, SBI_ERR_INVALID_PARAM
    REFUSED 1, 8, FINISHER_BASE, 0, SBI_ERR_INVALID_PARAM

    CHECK 7  // the last byte of RAM, and one past it
    li s4, RAM_END - 1
    lbu s5, 0(s4)
    li t0, '.'
    sb t0, 0(s4)
    mv s2, s4
    li s3, 1
    call write_all
    sb s5, 0(s4)
    REFUSED 0, 2, RAM_END - 1, 0, SBI_ERR_INVALID_PARAM
    REFUSED 1, 2, RAM_END - 1, 0, SBI_ERR_INVALID_PARAM
    REFUSED 0, 64 * 1024 * 1024 + 1, RAM_BASE, 0, SBI_ERR_INVALID_PARAM

    CHECK 8  // an address of more than 64 bits
    REFUSED 0, 1, 0x80200000, 1, SBI_ERR_INVALID_PARAM
    REFUSED 0, 1, 0x80200000, -1, SBI_ERR_INVALID_PARAM
    REFUSED 1, 1, 0x80200000, 1, SBI_ERR_INVALID_PARAM

    CHECK 9  // functions that do not exist
    li a0, 1
    la a1, greeting
    li a2, 0
    SBI SBI_DBCN, 3
    EXPECT_EQ a0, SBI_ERR_NOT_SUPPORTED
    SBI SBI_DBCN, -1
    EXPECT_EQ a0, SBI_ERR_NOT_SUPPORTED
    SBI SBI_DBCN, 0x7fffffff
    EXPECT_EQ a0, SBI_ERR_NOT_SUPPORTED

    CHECK 10  // write_byte takes the low 8 bits
    li a0, 0x123456789abcde41
    SBI SBI_DBCN, 2
    EXPECT_EQ a0, 0
    EXPECT_EQ a1, 0
    li a0, '\n'
    SBI SBI_DBCN, 2
    EXPECT_EQ a0, 0

    CHECK 11  // a long write
    la s2, buffer
    li s3, 8192
    mv t0, s2
    add t1, s2, s3
    li t2, 'z'
1:  sb t2, 0(t0)
    addi t0, t0, 1
    bltu t0, t1, 1b
    call write_all

    CHECK 12  // nothing to read yet: success, 0 bytes, buffer untouched
    la s2, buffer
    li a0, 8192
    mv a1, s2
    li a2, 0
    SBI SBI_DBCN, 1
    EXPECT_EQ a0, 0
    EXPECT_EQ a1, 0
    lbu a0, 0(s2)
    EXPECT_EQ a0, 'z'

    CHECK 13  // reads, with refused and empty ones between them, lose nothing
    la s2, question
    la s3, question_end
    sub s3, s3, s2
    call write_all
    la s2, buffer + 1
    li s3, 5
2:  REFUSED 1, 16, RAM_END - 1, 0, SBI_ERR_INVALID_PARAM
    li a0, 0
    mv a1, s2
    li a2, 0
    SBI SBI_DBCN, 1
    EXPECT_EQ a0, 0
    EXPECT_EQ a1, 0
    mv a0, s3
    mv a1, s2
    li a2, 0
    SBI SBI_DBCN, 1
    EXPECT_EQ a0, 0
    bgtu a1, s3, fail
    add s2, s2, a1
    sub s3, s3, a1
    bnez s3, 2b
    CHECK 14
    la t0, buffer
    lbu a0, 0(t0)
    EXPECT_EQ a0, 'z'
    lbu a0, 6(t0)
    EXPECT_EQ a0, 'z'
    la t1, buffer + 1
    la t2, expected
    li t3, 5
3:  lbu a0, 0(t1)
    lbu a1, 0(t2)
    bne a0, a1, fail
    addi t1, t1, 1
    addi t2, t2, 1
    addi t3, t3, -1
    bnez t3, 3b
    j pass

// Writes s3 bytes from s2; a call that succeeds without progress is allowed, but not for ever.
write_all:
    li s6, 1000000
1:  beqz s3, 2f
    mv a0, s3
    mv a1, s2
    li a2, 0
    SBI SBI_DBCN, 0
    bnez a0, fail
    bgtu a1, s3, fail
    add s2, s2, a1
    sub s3, s3, a1
    addi s6, s6, -1
    bnez s6, 1b
    j fail
2:  ret

    .bss
buffer:
    .space 8192

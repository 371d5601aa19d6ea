// The message proxy without channels, where the host forwards it (--sbi mpxy=on): SBI 3.0, ch. 20.
#include "guest.inc"

#define SBI_MPXY 0x4D505859
#define SBI_ERR_INVALID_ADDRESS -5
#define SBI_ERR_NO_SHMEM -9

GUEST_BEGIN
    CHECK 1  // it is there, and has a size
    li a0, SBI_MPXY
    SBI SBI_BASE, 3
    EXPECT_EQ a0, 0
    EXPECT_EQ a1, 1
    SBI SBI_MPXY, 0
    EXPECT_EQ a0, 0
    EXPECT_EQ a1, 4096

    CHECK 2  // nothing is shared yet
    li a0, 0
    SBI SBI_MPXY, 2
    EXPECT_EQ a0, SBI_ERR_NO_SHMEM
    li a0, 0
    SBI SBI_MPXY, 5
    EXPECT_EQ a0, SBI_ERR_NO_SHMEM

    CHECK 3  // no such memory
    la a0, shared + 8
    li a1, 0
    li a2, 0
    SBI SBI_MPXY, 1
    EXPECT_EQ a0, SBI_ERR_INVALID_PARAM
    la a0, shared
    li a1, 0
    li a2, 2
    SBI SBI_MPXY, 1
    EXPECT_EQ a0, SBI_ERR_INVALID_PARAM
    li a0, UART_BASE
    li a1, 0
    li a2, 0
    SBI SBI_MPXY, 1
    EXPECT_EQ a0, SBI_ERR_INVALID_ADDRESS

    CHECK 4  // shared: what was before is told, no channel is
    la a0, shared
    li a1, 0
    li a2, 1
    SBI SBI_MPXY, 1
    EXPECT_EQ a0, 0
    la s2, shared
    ld t0, 0(s2)
    EXPECT_EQ t0, -1
    ld t0, 8(s2)
    EXPECT_EQ t0, -1
    li a0, 0
    SBI SBI_MPXY, 2
    EXPECT_EQ a0, 0
    EXPECT_EQ a1, 0
    ld t0, 0(s2)
    EXPECT_EQ t0, 0
    ld t0, 8(s2)
    EXPECT_EQ t0, -1

    CHECK 5  // and every channel is none
    li s3, 3
1:  li a0, 0
    li a1, 0
    li a2, 1
    li a7, SBI_MPXY
    mv a6, s3
    ecall
    EXPECT_EQ a0, SBI_ERR_NOT_SUPPORTED
    addi s3, s3, 1
    li t0, 9
    bltu s3, t0, 1b

    CHECK 6  // no longer shared
    li a0, -1
    li a1, -1
    li a2, 0
    SBI SBI_MPXY, 1
    EXPECT_EQ a0, 0
    li a0, 0
    SBI SBI_MPXY, 2
    EXPECT_EQ a0, SBI_ERR_NO_SHMEM
    j pass

    .bss
    .balign 4096
shared:
    .space 4096

// Calls that no SBI extension answers: each returns NOT_SUPPORTED and the VM lives on.
#include "guest.inc"

GUEST_BEGIN
    CHECK 1
    la s4, extensions
1:  ld s2, 0(s4)
    beqz s2, 2f
    call call_all_functions
    addi s4, s4, 8
    j 1b

2:  CHECK 2  // random numbers of 32 and 64 bits
    li s5, 1000
    li s6, 0x853c49e6748fea9b
3:  call random
    mv s2, a0
    andi t0, s5, 1
    beqz t0, 4f
    srli s2, s2, 32
4:  // "HSM" and "HVC" live in the experimental range, and rvvmm may answer there: leave that range to check 1.
    srli t0, s2, 24
    li t1, 8
    beq t0, t1, 3b
    call random
    mv a6, a0
    call random
    mv a1, a0
    call random
    mv a2, a0
    mv a3, a1
    mv a4, a2
    mv a5, a1
    mv a7, s2
    ecall
    EXPECT_EQ a0, SBI_ERR_NOT_SUPPORTED
    addi s5, s5, -1
    bnez s5, 3b

    CHECK 3  // probes of the ranges that reach user space answer 0, of known extensions 1
    la s4, probes
5:  ld a0, 0(s4)
    beqz a0, 6f
    ld s5, 8(s4)
    SBI SBI_BASE, 3
    EXPECT_EQ a0, 0
    mv a0, s5
    bne a0, a1, fail_expected
    addi s4, s4, 16
    j 5b

6:  CHECK 4  // functions of BASE that do not exist
    SBI SBI_BASE, 7
    EXPECT_EQ a0, SBI_ERR_NOT_SUPPORTED
    SBI SBI_BASE, -1
    EXPECT_EQ a0, SBI_ERR_NOT_SUPPORTED

    CHECK 5  // types of reset that do not exist
    li a0, 3
    li a1, 0
    SBI SBI_SRST, 0
    EXPECT_EQ a0, SBI_ERR_NOT_SUPPORTED
    li a0, 0
    SBI SBI_SRST, 1
    EXPECT_EQ a0, SBI_ERR_NOT_SUPPORTED

    CHECK 6  // BASE still says what it must: SBI 2.0 or newer
    SBI SBI_BASE, 0
    EXPECT_EQ a0, 0
    li t0, 0x02000000
    bltu a1, t0, fail
    j pass

// Every function of `functions` in extension s2, with arguments of ones and of zeros.
call_all_functions:
    mv s7, ra
    la s3, functions
1:  ld a6, 0(s3)
    li a0, -1
    li a1, -1
    li a2, -1
    li a3, -1
    li a4, -1
    li a5, -1
    mv a7, s2
    ecall
    EXPECT_EQ a0, SBI_ERR_NOT_SUPPORTED
    ld a6, 0(s3)
    li a0, 0
    li a1, 0
    li a2, 0
    mv a7, s2
    ecall
    EXPECT_EQ a0, SBI_ERR_NOT_SUPPORTED
    addi s3, s3, 8
    la t0, functions_end
    bltu s3, t0, 1b
    jr s7

// xorshift64 on s6, into a0.
random:
    slli a0, s6, 13
    xor s6, s6, a0
    srli a0, s6, 7
    xor s6, s6, a0
    slli a0, s6, 17
    xor s6, s6, a0
    mv a0, s6
    ret

    .data
    .balign 8
functions:
    .quad 0, 1, 2, 0x7fffffff, 0xffffffff, 0xffffffffffffffff
functions_end:
// Ends of the experimental, vendor and firmware ranges; the numbers around them; extensions nobody offers here
// (SSE, CPPC, NACL, DBTR); known ones with a bit more.
extensions:
    .quad 0x08000000, 0x08ffffff, 0x09000000, 0x09ffffff, 0x0a000000, 0x0affffff, 0x07ffffff, 0x0b000000
    .quad 0x09485643, 0x09123456, 0x0f, 0x11, 0x535345, 0x43505043, 0x4e41434c, 0x44425452
    .quad 0x7fffffff, 0x80000000, 0xffffffff, 0x100000010, 0x14442434e, 0x8000000000000010, -1, 0
probes:
    .quad 0x08000000, 0, 0x08ffffff, 0, 0x09000000, 0, 0x09123456, 0, 0x0a000000, 0, 0x535345, 0
    .quad 0xffffffff, 0, 0x12345678, 0, SBI_DBCN, 1, SBI_SRST, 1, SBI_HSM, 1, 0x54494D45, 1, 0, 0

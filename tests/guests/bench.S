// Does one operation N times and shuts down: what the exit benchmarks measure (docs/benchmarks.md). N and
// OPERATION are given at build time; s2 counts.
#include <rvvmm/hypercall.h>

// With the loop's own three instructions, 1,003: reads how many nanoseconds an instruction takes.
.macro OP_CALIBRATE
    .rept 1000
    .option push
    .option norvc
    nop
    .option pop
    .endr
.endm

.macro OP_DBCN_BYTE
    li a7, 0x4442434E
    li a6, 2
    li a0, 'x'
    ecall
    bnez a0, bad
.endm

// All 64 bytes in one call, or it is not what is measured.
.macro OP_DBCN_64
    li a7, 0x4442434E
    li a6, 0
    mv a0, s5
    mv a1, s4
    li a2, 0
    ecall
    bne a1, s5, bad
.endm

// get_spec_version, which the kernel answers: the price of an exit that stays there.
.macro OP_SBI_BASE
    li a7, 0x10
    li a6, 0
    ecall
.endm

.macro OP_VENDOR_CALL
    li a7, 0x09000000
    li a6, 0
    ecall
.endm

// 64 of the same in one batch, each answered (docs/hypercalls.md).
.macro OP_BATCH_64
    li a7, RVVMM_HYPERCALL_EID
    li a6, RVVMM_HC_BATCH
    li a0, 64
    la a1, entries
    li a2, 0
    li a3, 0
    ecall
    bne a1, s5, bad
.endm

    .section .text.start, "ax"
    .globl _start
_start:
    li s3, 0x10000000  // UART
    la s4, text
    li s5, 64
    li s2, N
    .balign 64
loop:
    OPERATION
    addi s2, s2, -1
    beqz s2, done
    j loop
done:
    li a0, 0
    li a1, 0
    li a7, 0x53525354
    li a6, 0
    ecall
1:  wfi
    j 1b
// An operation that did not do what is measured ends here, with a status that says so.
bad:
    li t0, 0x100000
    li t1, (1 << 16) | 0x3333
    sw t1, 0(t0)
2:  wfi
    j 2b
    .balign 64
entries:  // of struct rvvmm_batch_entry
    .rept 64
    .quad 0x09000000, 0, 0, 0, 0, 0, 0, 0, 0, 0
    .endr
text:
    .ascii "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n"

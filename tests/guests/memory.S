// Touches 64 MiB of RAM page by page, then goes over them PASSES times with OPERATION, a load or store of 8 bytes at
// a0, and shuts down: what the benchmarks of memory measure (docs/benchmarks.md). It lies below them.
#define BEGIN 0x80400000
#define SIZE 0x4000000

    .section .text.start, "ax"
    .globl _start
_start:
    li s0, BEGIN
    li s1, BEGIN + SIZE
    li s2, 4096
    mv a0, s0
    .balign 64
touch:
    sd s1, (a0)
    add a0, a0, s2
    bltu a0, s1, touch

    li s3, PASSES
pass:
    beqz s3, done
    addi s3, s3, -1
    mv a0, s0
    .balign 64
stream:
    .set at, 0
    .rept 16
    OPERATION, at(a0)
    .set at, at + 8
    .endr
    addi a0, a0, 128
    bltu a0, s1, stream
    j pass
done:
    li a0, 0
    li a1, 0
    li a7, 0x53525354
    li a6, 0
    ecall
1:  wfi
    j 1b

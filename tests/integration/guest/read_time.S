// A Linux program without libraries: prints the `time` CSR as 16 hexadecimal digits. Where user mode may not read
// it, the kernel kills it with SIGILL, which is what the test looks for.
    .globl _start
_start:
    li s2, 1000
1:  rdtime s0
    addi s2, s2, -1
    bnez s2, 1b
    la s1, text
    li t0, 60
2:  srl t1, s0, t0
    andi t1, t1, 15
    li t2, 10
    addi t3, t1, '0'
    blt t1, t2, 3f
    addi t3, t1, 'a' - 10
3:  sb t3, 0(s1)
    addi s1, s1, 1
    addi t0, t0, -4
    bgez t0, 2b
    li a0, 1
    la a1, text
    li a2, 17
    li a7, 64  // write
    ecall
    li a0, 0
    li a7, 93  // exit
    ecall
    .data
text:
    .ascii "0123456789abcdef\n"

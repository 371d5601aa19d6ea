// A Linux program whose first instruction does not exist: the guest's kernel kills it with SIGILL, and nobody else.
    .globl _start
_start:
    .word 0xffffffff
    li a0, 0
    li a7, 93  // exit
    ecall

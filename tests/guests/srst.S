// First act: SBI system reset with the type and reason given at build time. Also the guest of the start-up
// benchmark, so nothing comes before it.
    .section .text.start, "ax"
    .globl _start
_start:
    li a7, 0x53525354
    li a6, 0
    li a0, TYPE
    li a1, REASON
    ecall
1:  wfi
    j 1b

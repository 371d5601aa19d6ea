// Starts every hart by HSM, three times over. Each adds to a shared counter, takes part in a check that `time`
// never goes back from hart to hart, and reads `time` in U-mode, which needs scounteren.TM: some kernels reset
// that bit at every HSM start, and rvvmm mends it within milliseconds, so a hart tries for two seconds.
#include "guest.inc"
#define MAX_HARTS 64
#define ROUNDS 3
#define TIME_READS 1000
#define TWO_SECONDS 20000000  // at the 10 MHz of the machines we test on

// Context of a hart: its stack's top, its id.
#define CTX_STACK 0
#define CTX_HART 8
#define CTX_SIZE 16

GUEST_BEGIN
    li s7, ROUNDS
round:
    la t0, counter
    sd zero, 0(t0)
    CHECK 1  // a hart that runs cannot be started
    mv a0, s0
    la a1, secondary
    li a2, 0
    SBI SBI_HSM, 0
    EXPECT_EQ a0, SBI_ERR_ALREADY_AVAILABLE
    CHECK 2  // start the others, up to the first that does not exist
    li s2, 0  // id
    li s3, 0  // started
1:  beq s2, s0, 2f
    la t0, contexts
    slli t1, s2, 4
    add a2, t0, t1
    la t0, stacks
    addi t1, s2, 1
    slli t1, t1, 9
    add t0, t0, t1
    sd t0, CTX_STACK(a2)
    sd s2, CTX_HART(a2)
    mv a0, s2
    la a1, secondary
    SBI SBI_HSM, 0
    li t0, SBI_ERR_INVALID_PARAM
    beq a0, t0, 3f
    EXPECT_EQ a0, 0
    addi s3, s3, 1
2:  addi s2, s2, 1
    li t0, MAX_HARTS
    bltu s2, t0, 1b
3:  PUTS "guest: harts "
    addi a0, s3, 1
    call print_hex
    PUTS "\n"
    CHECK 3
    call time_reads
    CHECK 4
    call user_time
    CHECK 5  // all of them came through
    rdtime s4
4:  la t0, failed
    ld s11, 0(t0)
    bnez s11, fail
    CHECK 5
    la t0, counter
    ld t0, 0(t0)
    beq t0, s3, 5f
    rdtime t1
    sub t1, t1, s4
    li t2, 10 * TWO_SECONDS
    bltu t1, t2, 4b
    j fail
5:  CHECK 6  // and stop
    li s2, 0
6:  beq s2, s0, 8f
    rdtime s4
7:  mv a0, s2
    SBI SBI_HSM, 2
    EXPECT_EQ a0, 0
    li t0, 1
    beq a1, t0, 8f
    rdtime t1
    sub t1, t1, s4
    li t2, 10 * TWO_SECONDS
    bltu t1, t2, 7b
    j fail
8:  addi s2, s2, 1
    bleu s2, s3, 6b
    addi s7, s7, -1
    bnez s7, round
    j pass

// a0 = hart id, a1 = context.
    .balign 4
secondary:
    SET_TRAP trap_unexpected
    mv s0, a0
    li s7, 0  // rounds are counted by the boot hart alone
    ld sp, CTX_STACK(a1)
    li s11, 20  // a0 is the hart's own id
    ld t0, CTX_HART(a1)
    bne t0, a0, secondary_failed
    li s11, 21  // paging off
    csrr t0, satp
    bnez t0, secondary_failed
    li s11, 22  // interrupts off
    csrr t0, sstatus
    andi t0, t0, 2
    bnez t0, secondary_failed
    li s11, 23
    call time_reads
    li s11, 24
    call user_time
    la t0, counter
    li t1, 1
    amoadd.d zero, t1, (t0)
    SBI SBI_HSM, 1
    li s11, 25  // stop does not come back
secondary_failed:
    la t0, failed
    sd s11, 0(t0)
1:  wfi
    j 1b

// Reads `time` under a lock, TIME_READS times: never less than what any hart read before.
time_reads:
    li t5, TIME_READS
    la t0, lock
    la t1, last_time
1:  li t2, 1
    amoswap.w.aq t2, t2, (t0)
    bnez t2, 1b
    ld t3, 0(t1)
    fence
    rdtime t4
    sd t4, 0(t1)
    amoswap.w.rl zero, zero, (t0)
    bltu t4, t3, time_failed
    addi t5, t5, -1
    bnez t5, 1b
    ret
time_failed:
    beqz s7, secondary_failed
    j fail

// Drops to U-mode for one read of `time`, again while that is an illegal instruction, for two seconds.
user_time:
    mv s5, ra
    SET_TRAP user_trap
    rdtime s6
again:
    la t0, user
    csrw sepc, t0
    li t0, 0x100  // sstatus.SPP: sret goes to U-mode
    csrc sstatus, t0
    sret
user:
    rdtime a0
    ecall
    .balign 4
user_trap:
    csrr t0, scause
    li t1, 8      // ecall from U-mode: the read went through
    beq t0, t1, 2f
    li t1, 2
    bne t0, t1, user_bad
    rdtime t0
    sub t0, t0, s6
    li t1, TWO_SECONDS
    bgeu t0, t1, user_slow
    li t0, 2000
1:  addi t0, t0, -1
    bnez t0, 1b
    j again
2:  bltu a0, s6, user_bad
    SET_TRAP trap_unexpected
    jr s5
user_slow:
    addi s11, s11, 20  // still illegal after two seconds
user_bad:
    beqz s7, secondary_failed
    j fail

    .data
    .balign 8
counter:
    .quad 0
failed:
    .quad 0
last_time:
    .quad 0
lock:
    .word 0
    .bss
    .balign 16
contexts:
    .space MAX_HARTS * CTX_SIZE
stacks:
    .space MAX_HARTS * 512

// Says hello, checks what the boot protocol promises, and passes: the guest of the kernel format tests.
#include "guest.inc"
GUEST_BEGIN
    PUTS "guest: hello\n"
    // a0 = hart id 0, satp = 0, interrupts off (docs/architecture.md, boot).
    CHECK 1
    EXPECT_EQ s0, 0
    CHECK 2
    csrr a0, satp
    EXPECT_EQ a0, 0
    CHECK 3
    csrr a0, sstatus
    andi a0, a0, 2
    EXPECT_EQ a0, 0
    // The code lies where the image wants it: 2 MiB above the start of RAM.
    CHECK 4
    la a0, _start
    EXPECT_EQ a0, 0x80200000
    // a1 = device tree, 8-byte aligned, in RAM, with its magic number, big endian.
    CHECK 5
    andi a0, s1, 7
    EXPECT_EQ a0, 0
    CHECK 6
    li a1, RAM_BASE
    bltu s1, a1, fail
    lwu a0, 0(s1)
    EXPECT_EQ a0, 0xedfe0dd0
    // BSS reads zero on the first boot and on every other.
    CHECK 7
    la a0, __bss_start
    ld a0, 0(a0)
    EXPECT_EQ a0, 0
    // The clock: nanoseconds since 1970, after 2020 and before 2106 (goldfish RTC, TIME_LOW latches TIME_HIGH).
    CHECK 8
    li t0, RTC_BASE
    lwu a0, 0(t0)
    lwu a1, 4(t0)
    slli a1, a1, 32
    or a0, a0, a1
    li t1, 1577836800000000000
    bltu a0, t1, fail
    li t1, 4294967296000000000
    bgeu a0, t1, fail
    // The counter ticks.
    CHECK 9
    rdtime t0
    li t2, 10000000
1:  rdtime t1
    bne t0, t1, 2f
    addi t2, t2, -1
    bnez t2, 1b
    j fail
2:  bltu t1, t0, fail
    j pass

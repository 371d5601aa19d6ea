// A level-triggered interrupt whose message the guest takes and does not serve: the line stays asserted, and the APLIC
// sends no second message by itself (AIA 1.0, 4.9.2). It comes all the same, because rvvmm raises the line again for
// input that nobody takes. For machines with an AIA.
#include "guest.inc"

#define APLIC 0x0d000000
#define APLIC_SOURCECFG_10 (4 * 10)
#define APLIC_SETIENUM 0x1edc
#define APLIC_TARGET_10 (0x3000 + 4 * 10)
#define LEVEL_HIGH 6
#define ID 5

.macro IMSIC_WRITE register, value
    li t0, \register
    csrw 0x150, t0  // siselect
    li t0, \value
    csrw 0x151, t0  // sireg
.endm

// Waits for a message and claims it: a0 = stopei.
.macro CLAIM
1:  wfi
    csrrw a0, 0x15c, zero
    beqz a0, 1b
.endm

GUEST_BEGIN
    CHECK 1
    IMSIC_WRITE 0x70, 1          // eidelivery
    IMSIC_WRITE 0x72, 0          // eithreshold
    IMSIC_WRITE 0xc0, (1 << ID)  // eie0
    li s2, APLIC
    li t0, LEVEL_HIGH
    sw t0, APLIC_SOURCECFG_10(s2)
    li t1, APLIC_TARGET_10
    add t1, t1, s2
    li t0, ID                    // hart 0
    sw t0, 0(t1)
    li t1, APLIC_SETIENUM
    add t1, t1, s2
    li t0, 10
    sw t0, 0(t1)
    li t0, 0x100                 // domaincfg.IE
    sw t0, 0(s2)
    li t0, 1 << 9                // SEIE: wakes wfi; sstatus.SIE stays off
    csrw sie, t0
    li s3, UART_BASE
    li t0, 1
    sb t0, UART_IER(s3)
    PUTS "guest: input?\n"

    CHECK 2  // the message of the input
    CLAIM
    EXPECT_EQ a0, (ID << 16 | ID)
    CHECK 3  // is gone, while the line is asserted
    csrr a0, 0x15c
    EXPECT_EQ a0, 0
    PUTS "guest: dropped\n"
    CHECK 4  // and comes again
    CLAIM
    EXPECT_EQ a0, (ID << 16 | ID)
    CHECK 5
    lbu a0, UART_RBR(s3)
    EXPECT_EQ a0, 'x'
    j pass

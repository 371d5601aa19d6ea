# The guest of state_test.cpp. It gives each register of its hart a value of its own, arms a timer, and sets up its
# interrupt file and the APLIC. Then it stores kReady: here the machine is saved. Afterwards it reports what its
# registers hold and which interrupts arrive, each value by a store of 8 bytes to kReport, and at last kEnd.
#
# a0 = hart id, a1 = flags: 1 the machine has an AIA, 2 the harts have vector registers. The code does not depend on its
# address.
#define FLAG_AIA 1
#define FLAG_VECTORS 2
#define REPORT 0x10000000
#define APLIC 0x0d000000
#define AREAS 0x80010000 /* of 64 KiB for each hart */
#define READY 0x5eadf
#define END 0xe0d
#define TIMER_TICKS 10000000 /* a second */
#define IDENTITIES 0x1f0000001e0 /* 5 to 8, and 36 to 40 */

#define SISELECT 0x150
#define SIREG 0x151
#define STOPEI 0x15c

        .section .rodata.guest, "a"
        .option push
        .option norelax
        .option arch, rv64gcv
        .balign 8
        .globl kGuest, kGuestEnd
kGuest:
        li      t1, AREAS
        slli    t2, a0, 16
        add     s11, t1, t2
        sd      a0, 0(s11)
        sd      a1, 8(s11)
        csrw    sscratch, s11

        li      t1, 0x6600              # FS and VS: dirty
        csrs    sstatus, t1
        addi    t1, a0, 1
        slli    t1, t1, 40
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        addi    t1, t1, 0x101
        fmv.d.x f\n, t1
        .endr
        li      t1, 0x25                # rounding mode 1, flags 5
        csrw    fcsr, t1

        andi    t1, a1, FLAG_VECTORS
        beqz    t1, 1f
        addi    t1, a0, 0x55
        vsetvli t2, zero, e16, m1, ta, ma
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        addi    t1, t1, 0x111
        vid.v   v\n
        vadd.vx v\n, v\n, t1
        .endr
        csrwi   vcsr, 3
        vsetivli zero, 3, e32, m2, tu, mu
1:
        rdtime  t1
        li      t2, TIMER_TICKS
        add     a0, t1, t2
        li      a6, 0
        li      a7, 0x54494d45          # SBI TIME, set timer
        ecall
        ld      a0, 0(s11)
        ld      a1, 8(s11)

        andi    t1, a1, FLAG_AIA
        beqz    t1, 2f
        li      t1, 0x72                # eithreshold
        csrw    SISELECT, t1
        csrwi   SIREG, 0
        li      t1, 0x70                # eidelivery
        csrw    SISELECT, t1
        csrwi   SIREG, 1
        li      t1, 0xc0                # eie0
        csrw    SISELECT, t1
        li      t2, IDENTITIES
        csrw    SIREG, t2
        bnez    a0, 2f
        li      t1, APLIC
        li      t2, 4                   # sources 3 and 4: rising edge
        sw      t2, 0x00c(t1)
        sw      t2, 0x010(t1)
        li      t2, 6                   # source 5: level, high
        sw      t2, 0x014(t1)
        li      t2, APLIC + 0x3000
        li      t3, 7                   # identity 7 of hart 0
        sw      t3, 0x00c(t2)
        li      t3, 8
        sw      t3, 0x010(t2)
        li      t3, 6
        sw      t3, 0x014(t2)
        li      t2, APLIC + 0x1e00
        li      t3, 3                   # setienum: source 4 stays off
        sw      t3, 0x0dc(t2)
        li      t3, 0x100               # IE
        sw      t3, 0x000(t1)
2:
        li      t1, 0x222
        csrw    sie, t1
        li      t1, 0x123456780
        csrw    stvec, t1
        csrw    sepc, t1
        csrw    scause, a0
        slli    t1, a0, 8
        csrw    stval, t1
        li      x6, 0x0123456789abcdef
        add     x6, x6, a0
        .irp    n, 1,2,3,4,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        addi    x\n, x6, \n
        .endr
        li      x5, REPORT
        li      x6, READY
        sd      x6, 0(x5)

        # Saved and restored here.
        .irp    n, 1,2,3,4,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        xor     x6, x6, x\n
        addi    x6, x6, \n
        .endr
        sd      x6, 0(x5)
        .irp    csr, sie, stvec, sepc, scause, stval, sscratch, fcsr
        csrr    x6, \csr
        sd      x6, 0(x5)
        .endr
        li      x6, 0
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        fmv.x.d x7, f\n
        xor     x6, x6, x7
        addi    x6, x6, \n
        .endr
        sd      x6, 0(x5)

        csrr    s11, sscratch
        ld      a0, 0(s11)
        ld      a1, 8(s11)
        andi    t3, a1, FLAG_VECTORS
        beqz    t3, 4f
        .irp    csr, vl, vtype, vcsr
        csrr    x6, \csr
        sd      x6, 0(x5)
        .endr
        csrr    t2, vlenb
        addi    s10, s11, 256
        .irp    n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
        vs1r.v  v\n, (s10)
        add     s10, s10, t2
        .endr
        li      x6, 0
        addi    s9, s11, 256
3:      ld      t3, 0(s9)
        xor     x6, x6, t3
        addi    x6, x6, 1
        addi    s9, s9, 8
        bltu    s9, s10, 3b
        sd      x6, 0(x5)
4:
        andi    s8, a1, FLAG_AIA
        beqz    s8, 5f
        csrr    x6, SISELECT
        sd      x6, 0(x5)
        bnez    a0, 5f
        li      t2, APLIC + 0x1e00      # source 4 is pending already
        li      t3, 4
        sw      t3, 0x0dc(t2)
5:
        csrwi   sie, 0
        li      t1, 0x200
        csrw    sie, t1
        wfi                             # an external interrupt is pending
        csrr    x6, sip
        andi    x6, x6, 0x200
        sd      x6, 0(x5)
        beqz    s8, 7f
6:      csrrw   x6, STOPEI, zero        # each identity, and 0 at the end
        sd      x6, 0(x5)
        bnez    x6, 6b
7:
        li      t1, 0x20
        csrw    sie, t1
8:      wfi
        csrr    x6, sip
        andi    x6, x6, 0x20
        beqz    x6, 8b
        sd      x6, 0(x5)
        li      x6, END
        sd      x6, 0(x5)
9:      j       9b
kGuestEnd:
        .option pop
        .section .note.GNU-stack, "", @progbits

// Fills every register, makes one exit, and looks at every register: registers.h.
#include "registers.h"

#define X(n) (STATE_X + 8 * (n))
#define F(n) (STATE_F + 8 * (n))
#define CSR(n) (STATE_CSR + 8 * (n))

.macro LOAD_CSR name, index, base
    ld t0, CSR(\index)(\base)
    csrw \name, t0
.endm
.macro SAVE_CSR name, index, base
    csrr t1, \name
    sd t1, CSR(\index)(\base)
.endm

    .text
    .globl state_run
state_run:
    addi sp, sp, -112
    sd ra, 0(sp)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    sd s\n, 8 + 8 * \n(sp)
    .endr
    la t0, saved_sp
    sd sp, 0(t0)
    lw t1, 0(a2)
    la t0, slot
    sw t1, 0(t0)
    fence.i

    LOAD_CSR sstatus, CSR_SSTATUS, a0
    LOAD_CSR sie, CSR_SIE, a0
    LOAD_CSR stvec, CSR_STVEC, a0
    LOAD_CSR sepc, CSR_SEPC, a0
    LOAD_CSR scause, CSR_SCAUSE, a0
    LOAD_CSR stval, CSR_STVAL, a0
    LOAD_CSR scounteren, CSR_SCOUNTEREN, a0
    LOAD_CSR senvcfg, CSR_SENVCFG, a0
    csrw sscratch, a1
    sfence.vma
    LOAD_CSR satp, CSR_SATP, a0
    sfence.vma
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fld f\n, F(\n)(a0)
    .endr
    LOAD_CSR fcsr, CSR_FCSR, a0
    la t0, state_has_vector
    lw t0, 0(t0)
    beqz t0, 1f
    call load_vector
1:  .irp n, 1,2,3,4,5,6,7,8,9,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld x\n, X(\n)(a0)
    .endr
    ld x10, X(10)(a0)

    // The only register at hand behind the exit is the one that sscratch holds.
    .option push
    .option norvc
    .balign 4
slot:
    nop
    csrrw t0, sscratch, t0
    .option pop
    .irp n, 1,2,3,4,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd x\n, X(\n)(t0)
    .endr
    csrr t1, sscratch
    sd t1, X(5)(t0)
    sd zero, X(0)(t0)
    sd t0, CSR(CSR_SSCRATCH)(t0)
    SAVE_CSR sstatus, CSR_SSTATUS, t0
    SAVE_CSR sie, CSR_SIE, t0
    SAVE_CSR stvec, CSR_STVEC, t0
    SAVE_CSR sepc, CSR_SEPC, t0
    SAVE_CSR scause, CSR_SCAUSE, t0
    SAVE_CSR stval, CSR_STVAL, t0
    SAVE_CSR satp, CSR_SATP, t0
    SAVE_CSR scounteren, CSR_SCOUNTEREN, t0
    SAVE_CSR senvcfg, CSR_SENVCFG, t0
    SAVE_CSR fcsr, CSR_FCSR, t0
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    fsd f\n, F(\n)(t0)
    .endr
    la t1, state_has_vector
    lw t1, 0(t1)
    beqz t1, 2f
    call save_vector

2:  csrw satp, zero
    sfence.vma
    csrw sie, zero
    la t1, saved_sp
    ld sp, 0(t1)
    ld ra, 0(sp)
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    ld s\n, 8 + 8 * \n(sp)
    .endr
    addi sp, sp, 112
    ret

    .option push
    .option arch, +v
// From the state at a0; clobbers t0 to t3.
load_vector:
    csrr t2, vlenb
    slli t2, t2, 3
    addi t1, a0, STATE_V
    vl8re8.v v0, (t1)
    LOAD_CSR vcsr, CSR_VCSR, a0  // between vector instructions: mmio_fault.S says why
    add t1, t1, t2
    vl8re8.v v8, (t1)
    add t1, t1, t2
    vl8re8.v v16, (t1)
    add t1, t1, t2
    vl8re8.v v24, (t1)
    ld t1, CSR(CSR_VL)(a0)
    ld t2, CSR(CSR_VTYPE)(a0)
    vsetvl t3, t1, t2
    ret
// To the state at t0; clobbers t1 and t2.
save_vector:
    SAVE_CSR vcsr, CSR_VCSR, t0
    SAVE_CSR vl, CSR_VL, t0
    SAVE_CSR vtype, CSR_VTYPE, t0
    csrr t2, vlenb
    slli t2, t2, 3
    addi t1, t0, STATE_V
    vs8r.v v0, (t1)
    add t1, t1, t2
    vs8r.v v8, (t1)
    add t1, t1, t2
    vs8r.v v16, (t1)
    add t1, t1, t2
    vs8r.v v24, (t1)
    ret
    .option pop

// Four bytes each: a compressed instruction has a compressed nop behind it.
.macro EXIT name, instruction:vararg
    .globl exit_\name
exit_\name:
    .option push
    .option norvc
    \instruction
    .option pop
.endm
.macro COMPRESSED_EXIT name, instruction:vararg
    .globl exit_\name
exit_\name:
    \instruction
    c.nop
.endm
    .balign 4
    EXIT none, nop
    EXIT ecall, ecall
    EXIT seed, csrrw t3, 0x015, zero
    EXIT lb, lb t3, 0(s1)
    EXIT lbu, lbu t3, 0(s1)
    EXIT lh, lh t3, 0(s1)
    EXIT lhu, lhu t3, 0(s1)
    EXIT lw, lw t3, 0(s1)
    EXIT lwu, lwu t3, 0(s1)
    EXIT ld, ld t3, 0(s1)
    EXIT sb, sb t3, 0(s1)
    EXIT sh, sh t3, 0(s1)
    EXIT sw, sw t3, 0(s1)
    EXIT sd, sd t3, 0(s1)
    COMPRESSED_EXIT c_lw, c.lw a4, 0(s1)
    COMPRESSED_EXIT c_ld, c.ld a4, 0(s1)
    COMPRESSED_EXIT c_sw, c.sw a4, 0(s1)
    COMPRESSED_EXIT c_sd, c.sd a4, 0(s1)

    .data
    .balign 8
saved_sp:
    .quad 0
    .globl state_has_vector
state_has_vector:
    .word 0

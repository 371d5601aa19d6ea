/* All that an exit must leave alone, for registers.c and registers_exits.S. */
#ifndef RVVMM_GUEST_REGISTERS_H
#define RVVMM_GUEST_REGISTERS_H

/* Offsets in struct state. */
#define STATE_X 0
#define STATE_F 256
#define STATE_CSR 512
#define STATE_V 640

/* Indices of struct state.csr. */
#define CSR_FCSR 0
#define CSR_SSTATUS 1
#define CSR_SIE 2
#define CSR_STVEC 3
#define CSR_SSCRATCH 4
#define CSR_SEPC 5
#define CSR_SCAUSE 6
#define CSR_STVAL 7
#define CSR_SATP 8
#define CSR_SCOUNTEREN 9
#define CSR_SENVCFG 10
#define CSR_VCSR 11
#define CSR_VL 12
#define CSR_VTYPE 13
#define STATE_CSRS 16

#define MAX_VLENB 128

#ifndef __ASSEMBLER__

struct state {
  unsigned long x[32];
  unsigned long f[32];
  unsigned long csr[STATE_CSRS];
  unsigned char v[32 * MAX_VLENB] __attribute__((aligned(16)));
};

_Static_assert(__builtin_offsetof(struct state, f) == STATE_F, "registers_exits.S has this layout");
_Static_assert(__builtin_offsetof(struct state, csr) == STATE_CSR, "registers_exits.S has this layout");
_Static_assert(__builtin_offsetof(struct state, v) == STATE_V, "registers_exits.S has this layout");

/* Fills all registers from `before`, executes the instruction at `exit`, and writes all registers to `after`. sscratch
   is not taken from `before`: it holds the address of `after`. Paging and interrupts are off again when it returns. */
void state_run(const struct state* before, struct state* after, const unsigned* exit);

/* Whether there are vector registers to fill: set before the first state_run(). */
extern int state_has_vector;

/* The instructions. Loads are to t3 (c.lw and c.ld: a4), stores of it, at the address in s1. */
extern const unsigned exit_none[], exit_ecall[], exit_seed[], exit_lb[], exit_lbu[], exit_lh[], exit_lhu[],
    exit_lw[], exit_lwu[], exit_ld[], exit_c_lw[], exit_c_ld[], exit_sb[], exit_sh[], exit_sw[],
    exit_sd[], exit_c_sw[], exit_c_sd[];

#endif
#endif

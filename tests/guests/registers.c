/* Every register holds a pattern, paging is on, one exit of each kind is made: then everything but what the exit gives
   back is as it was, bit for bit. SBI 3.0, ch. 3: "All registers except a0 & a1 must be preserved across an SBI call".
   Runs with two harts. */
#include "registers.h"

#include <rvvmm/hypercall.h>

#include "harts.h"
#include "line.h"
#include "sbi.h"

#define OWN_HSM 0x0848534DUL
#define SV39 (8UL << 60)
#define SSTATUS_VS (3UL << 9)
#define S1 9
#define A0 10
#define A1 11
#define A4 14
#define A6 16
#define A7 17
#define T3 28

enum { NOT_THERE = -2, INVALID = -3, ALREADY_AVAILABLE = -6 };

static struct state before, baseline, after;
static unsigned long page_table[512] __attribute__((aligned(4096)));
static struct rvvmm_batch_entry batch[4];
static char text[] = "registers: a line\n";
static unsigned char stack[4096] __attribute__((aligned(16)));
/* What hart 1 is started with. */
static struct {
  struct hart_entry entry;
  unsigned long eid;
} stopper;
static volatile int woken; /* hart 0 has been, or is about to be */
static unsigned long exits;

static int same_text(const char* a, const char* b) {
  while (*a != 0 && *a == *b) ++a, ++b;
  return *a == *b;
}

/* Whether the device tree's riscv,isa, the only text in it that begins with "rv64", has that extension. */
static int has_extension(const unsigned char* tree, const char* name) {
  unsigned long size = 0; /* of the whole tree, big-endian, at offset 4 */
  for (int i = 4; i < 8; ++i) size = size << 8 | tree[i];
  const char* isa = (const char*)tree;
  const char* const end = isa + size - 5;
  while (isa < end && !(isa[0] == 'r' && isa[1] == 'v' && isa[2] == '6' && isa[3] == '4')) ++isa;
  if (isa == end) return 0;
  for (isa += 4; *isa != 0 && *isa != '_'; ++isa)
    if (name[1] == 0 && *isa == name[0]) return 1;
  while (*isa == '_') {
    char word[32];
    unsigned long length = 0;
    for (++isa; *isa != 0 && *isa != '_'; ++isa)
      if (length < sizeof(word) - 1) word[length++] = *isa;
    word[length] = 0;
    if (same_text(word, name)) return 1;
  }
  return 0;
}

static unsigned long pattern(unsigned long kind, unsigned long number) {
  return 0xa5c3000000000000UL | kind << 32 | number << 24 | 0x5aUL << 8 | number;
}

static void fill(void) {
  /* 4 GiB mapped to themselves: D A X W R V. */
  for (unsigned long i = 0; i < 4; ++i) page_table[i] = i << 28 | 0xcf;
  for (unsigned long i = 1; i < 32; ++i) before.x[i] = pattern(1, i);
  for (unsigned long i = 0; i < 32; ++i) before.f[i] = pattern(2, i);
  for (unsigned long i = 0; i < sizeof(before.v); ++i) before.v[i] = (unsigned char)(i * 7 + i / 256);
  unsigned long* const csr = before.csr;
  csr[CSR_FCSR] = 1 << 5 | 0x15; /* round to zero; some flags */
  /* SPP, SPIE, FS dirty, SUM, MXR; VS dirty. Interrupts stay off. */
  csr[CSR_SSTATUS] = 1UL << 8 | 1UL << 5 | 3UL << 13 | 1UL << 18 | 1UL << 19 | (state_has_vector ? SSTATUS_VS : 0);
  csr[CSR_SIE] = 0x222;
  csr[CSR_STVEC] = CSR_READ(stvec);
  csr[CSR_SEPC] = 0x0123456789abcdeUL << 1;
  csr[CSR_SCAUSE] = 13;
  csr[CSR_STVAL] = pattern(3, 1);
  csr[CSR_SATP] = SV39 | 5UL << 44 | address_of(page_table) >> 12;
  csr[CSR_SCOUNTEREN] = 7;
  csr[CSR_SENVCFG] = 1;
  csr[CSR_VCSR] = 5;
  csr[CSR_VL] = 3;
  csr[CSR_VTYPE] = 0xd1; /* ta, ma, e32, m2 */
}

static int differs(const char* exit, const char* what, unsigned long number, unsigned long is, unsigned long was) {
  if (is == was) return 0;
  line_text("after ");
  line_text(exit);
  line_text(": ");
  line_text(what);
  line_number(number);
  line_text(" is ");
  line_number(is);
  line_text(", was ");
  line_number(was);
  line_end();
  return 1;
}

/* Makes one exit. The registers in `given` (bit n: xn) may change. Number of other registers that did. */
static int changed_by(const char* name, const unsigned* instruction, unsigned given) {
  int wrong = 0;
  state_run(&before, &after, instruction);
  ++exits;
  for (unsigned long i = 1; i < 32; ++i)
    if ((given >> i & 1) == 0) wrong += differs(name, "x", i, after.x[i], before.x[i]);
  for (unsigned long i = 0; i < 32; ++i) wrong += differs(name, "f", i, after.f[i], before.f[i]);
  for (unsigned long i = 0; i < STATE_CSRS; ++i) wrong += differs(name, "CSR ", i, after.csr[i], baseline.csr[i]);
  for (unsigned long i = 0; state_has_vector && i < sizeof(after.v); ++i)
    wrong += differs(name, "vector byte ", i, after.v[i], baseline.v[i]);
  return wrong;
}

/* What the registers are that cannot hold every pattern. */
static int take_baseline(void) {
  state_run(&before, &baseline, exit_none);
  int wrong = 0;
  for (unsigned long i = 1; i < 32; ++i) wrong += differs("nothing", "x", i, baseline.x[i], before.x[i]);
  for (unsigned long i = 0; i < 32; ++i) wrong += differs("nothing", "f", i, baseline.f[i], before.f[i]);
  baseline.csr[CSR_SSCRATCH] = address_of(&after);
  const unsigned long paging = SV39 | ((1UL << 44) - 1); /* an ASID may have fewer bits, or none */
  wrong += differs("nothing", "CSR ", CSR_SATP, baseline.csr[CSR_SATP] & paging, before.csr[CSR_SATP] & paging);
  /* So that the patterns are more than zeros. */
  static const int kept[] = {CSR_FCSR, CSR_SIE, CSR_STVEC, CSR_SEPC, CSR_SCAUSE, CSR_STVAL, CSR_SCOUNTEREN};
  for (unsigned long i = 0; i < sizeof(kept) / sizeof(kept[0]); ++i)
    wrong += differs("nothing", "CSR ", (unsigned long)kept[i], baseline.csr[kept[i]], before.csr[kept[i]]);
  return wrong;
}

struct load {
  const char* name;
  const unsigned* instruction;
  unsigned long reg;
  unsigned long value;
};

static int mmio(void) {
  static const struct load loads[] = {
      {"lb", exit_lb, T3, -1UL},          {"lbu", exit_lbu, T3, 0xff},   {"lh", exit_lh, T3, -1UL},
      {"lhu", exit_lhu, T3, 0xffff},      {"lw", exit_lw, T3, -1UL},     {"lwu", exit_lwu, T3, 0xffffffff},
      {"ld", exit_ld, T3, -1UL},          {"c.lw", exit_c_lw, A4, -1UL}, {"c.ld", exit_c_ld, A4, -1UL},
  };
  static const struct load stores[] = {{"sb", exit_sb, 0, 0}, {"sh", exit_sh, 0, 0},     {"sw", exit_sw, 0, 0},
                                       {"sd", exit_sd, 0, 0}, {"c.sw", exit_c_sw, 0, 0}, {"c.sd", exit_c_sd, 0, 0}};
  int wrong = 0;
  before.x[S1] = NO_DEVICE;
  for (unsigned long i = 0; i < sizeof(loads) / sizeof(loads[0]); ++i) {
    wrong += changed_by(loads[i].name, loads[i].instruction, 1U << loads[i].reg);
    wrong += differs(loads[i].name, "the value, x", loads[i].reg, after.x[loads[i].reg], loads[i].value);
  }
  for (unsigned long i = 0; i < sizeof(stores) / sizeof(stores[0]); ++i)
    wrong += changed_by(stores[i].name, stores[i].instruction, 0);
  before.x[S1] = pattern(1, S1);
  return wrong;
}

struct call {
  const char* name;
  unsigned long eid, fid;
  unsigned long args[4];
  long error;
};

static int ecall(const struct call* call) {
  for (unsigned long i = 0; i < 4; ++i) before.x[A0 + i] = call->args[i];
  before.x[A6] = call->fid;
  before.x[A7] = call->eid;
  int wrong = changed_by(call->name, exit_ecall, 1U << A0 | 1U << A1);
  wrong += differs(call->name, "the answer, x", A0, after.x[A0], (unsigned long)call->error);
  for (unsigned long i = A0; i <= A7; ++i) before.x[i] = pattern(1, i);
  return wrong;
}

static int ecalls(const struct call* calls, unsigned long count) {
  int wrong = 0;
  for (unsigned long i = 0; i < count; ++i) wrong += ecall(&calls[i]);
  return wrong;
}
#define ECALLS(calls) ecalls(calls, sizeof(calls) / sizeof((calls)[0]))

static int calls_of_rvvmm(void) {
  const unsigned long line = address_of(text);
  const unsigned long bytes = sizeof(text) - 1;
  const struct call calls[] = {
      {"DBCN write", SBI_DBCN, 0, {bytes, line, 0}, 0},
      {"DBCN write outside RAM", SBI_DBCN, 0, {bytes, RAM_END, 0}, INVALID},
      {"DBCN read", SBI_DBCN, 1, {bytes, line, 0}, 0},
      {"DBCN write byte", SBI_DBCN, 2, {'\n'}, 0},
      {"DBCN function 3", SBI_DBCN, 3, {0}, NOT_THERE},
      {"probe", SBI_BASE, 3, {RVVMM_HYPERCALL_EID}, 0},
      {"an extension that is none", 0x09123456, 0, {0}, NOT_THERE},
      {"hypercall version", RVVMM_HYPERCALL_EID, RVVMM_HC_VERSION, {0}, 0},
      {"hypercall features", RVVMM_HYPERCALL_EID, RVVMM_HC_FEATURES, {0}, 0},
      {"hypercall exit 256", RVVMM_HYPERCALL_EID, RVVMM_HC_EXIT, {256}, INVALID},
      {"hypercall log", RVVMM_HYPERCALL_EID, RVVMM_HC_LOG, {RVVMM_LOG_DEBUG, bytes, line, 0}, 0},
      {"hypercall mark", RVVMM_HYPERCALL_EID, RVVMM_HC_MARK, {bytes, line, 0}, 0},
      {"hypercall wall clock", RVVMM_HYPERCALL_EID, RVVMM_HC_WALL_CLOCK, {0}, 0},
      {"hypercall batch", RVVMM_HYPERCALL_EID, RVVMM_HC_BATCH, {4, address_of(batch), 0, 0}, 0},
      {"HSM status of rvvmm", OWN_HSM, 2, {1}, 0},
      {"HSM start of hart 0 of rvvmm", OWN_HSM, 0, {0, RAM_BASE, 0}, ALREADY_AVAILABLE},
      {"HSM suspend of a reserved type", OWN_HSM, 3, {1, 0, 0}, INVALID},
  };
  for (unsigned i = 0; i < 4; ++i) batch[i].eid = RVVMM_HYPERCALL_EID;
  batch[1].eid = SBI_DBCN; /* writes nothing */
  batch[2].eid = OWN_HSM;
  batch[2].fid = 2;
  batch[3].fid = RVVMM_HC_WALL_CLOCK;
  return ECALLS(calls);
}

/* No exits to rvvmm, but of the same guest's trust. */
static int calls_of_kvm(void) {
  static const struct call calls[] = {
      {"spec version", SBI_BASE, 0, {0}, 0},
      {"set timer", SBI_TIME, 0, {-1UL}, 0},
      {"send IPI", SBI_IPI, 0, {1, 0}, 0},
      {"remote fence.i", SBI_RFENCE, 0, {1, 0}, 0},
      {"remote sfence.vma", SBI_RFENCE, 1, {1, 0, 0, 0}, 0},
      {"HSM status", SBI_HSM, 2, {1}, 0},
      {"an extension that is none", 0x0A000000, 0, {0}, NOT_THERE},
  };
  const int wrong = ECALLS(calls);
  CSR_CLEAR(sip, SIP_SSIP);
  return wrong;
}

/* Hart 1 wakes hart 0 in a moment, and stops. By an IPI: on a busy host a timer of the guest may stay away
   (docs/testing.md). */
static void wake_and_stop(unsigned long hart, const struct hart_entry* entry, unsigned long satp,
                          unsigned long sstatus) {
  (void)hart, (void)entry, (void)satp, (void)sstatus;
  const unsigned long begin = now();
  while (now() - begin < TICKS_PER_SECOND / 50) {
  }
  woken = 1;
  __sync_synchronize();
  sbi_call3(SBI_IPI, 0, 1, 0, 0);
  sbi_call3(stopper.eid, 1, 0, 0, 0);
  for (;;) __asm__ __volatile__("wfi");
}

/* By one extension: hart 1 starts, and stops; hart 0 sleeps till hart 1 wakes it. Each twice: the first suspend sets
   things up that the second one has. */
static int hart_states(const char* start_name, const char* suspend_name, unsigned long eid) {
  const struct call start = {start_name, eid, 0, {1, address_of(hart_begin), address_of(&stopper)}, 0};
  const struct call suspend = {suspend_name, eid, 3, {0, 0, 0}, 0};
  int wrong = 0;
  stopper.entry.stack_top = address_of(stack + sizeof(stack));
  stopper.entry.run = wake_and_stop;
  stopper.eid = eid;
  for (int twice = 0; twice < 2; ++twice) {
    woken = 0;
    wrong += ecall(&start);
    if (after.x[A0] != 0) return wrong; /* there is nobody to wake hart 0 */
    wrong += ecall(&suspend);
    /* The kernel's is a wfi, which may end at any time. */
    if (eid == OWN_HSM) wrong += differs(suspend_name, "an end before the interrupt ", 0, (unsigned long)woken, 1);
    const unsigned long begin = now();
    while (sbi_call3(eid, 2, 1, 0, 0).value != 1)
      if (now() - begin > 10 * TICKS_PER_SECOND) return wrong + 1;
    CSR_CLEAR(sip, SIP_SSIP);
  }
  return wrong;
}

int guest_main(unsigned long hart, const void* device_tree);

int guest_main(unsigned long hart, const void* device_tree) {
  if (hart != 0) return 1;
  if (has_extension(device_tree, "v")) {
    CSR_SET(sstatus, SSTATUS_VS);
    state_has_vector = CSR_READ(0xc22) <= MAX_VLENB; /* vlenb */
    if (!state_has_vector) return 9;
  }
  fill();
  if (take_baseline() != 0) return 2;
  if (mmio() != 0) return 3;
  if (calls_of_rvvmm() != 0) return 4;
  if (calls_of_kvm() != 0) return 5;
  if (hart_states("HSM start of rvvmm", "HSM suspend of rvvmm", OWN_HSM) != 0) return 6;
  if (hart_states("HSM start", "HSM suspend", SBI_HSM) != 0) return 7;
  /* Linux 6.12 cannot deliver the exception of a CSR that is none. */
  const int seed = has_extension(device_tree, "zkr");
  if (seed && changed_by("seed", exit_seed, 1U << T3) != 0) return 8;
  line_text("exits ");
  line_number(exits);
  line_text(state_has_vector ? ", with vector registers" : ", without vector registers");
  line_text(seed ? ", with seed" : ", without seed");
  line_end();
  return 0;
}

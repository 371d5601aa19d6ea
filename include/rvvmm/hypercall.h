/*
 * The hypercalls of rvvmm, for guests: SBI extension 0x08485643 ("HVC" in SBI's experimental range). docs/hypercalls.md
 * describes each call. This header needs no other: kernels, firmware and bare-metal programs can include it from C, C++
 * and assembly.
 */
#ifndef RVVMM_HYPERCALL_H
#define RVVMM_HYPERCALL_H

#define RVVMM_HYPERCALL_EID 0x08485643

/* What RVVMM_HC_VERSION returns: major << 16 | minor. A minor version only adds functions: see RVVMM_HC_FEATURES. */
#define RVVMM_HYPERCALL_VERSION 0x00010000

/* Function ids (a6). */
#define RVVMM_HC_VERSION 0
#define RVVMM_HC_FEATURES 1
#define RVVMM_HC_EXIT 2
#define RVVMM_HC_LOG 3
#define RVVMM_HC_MARK 4
#define RVVMM_HC_WALL_CLOCK 5
#define RVVMM_HC_BATCH 6

/* Levels of RVVMM_HC_LOG. */
#define RVVMM_LOG_ERROR 0
#define RVVMM_LOG_WARN 1
#define RVVMM_LOG_INFO 2
#define RVVMM_LOG_DEBUG 3

/* Limit and flag of RVVMM_HC_BATCH. */
#define RVVMM_BATCH_MAX_ENTRIES 256
#define RVVMM_BATCH_STOP_ON_ERROR 1

/* The longest line of RVVMM_HC_LOG and the longest name of RVVMM_HC_MARK, in bytes. */
#define RVVMM_LOG_MAX_BYTES 1024
#define RVVMM_MARK_MAX_BYTES 64

#ifndef __ASSEMBLER__

/* One call of a batch: a7, a6 and a0 to a5. The answer is in ret[0] and ret[1], as in a0 and a1. Aligned to 8 bytes. */
struct rvvmm_batch_entry {
  unsigned long long eid;
  unsigned long long fid;
  unsigned long long args[6];
  unsigned long long ret[2];
};

#if defined(__riscv) && __riscv_xlen == 64

struct rvvmm_hypercall_ret {
  long error; /* 0, or an error code of SBI 3.0, section 3.2 */
  unsigned long value;
};

static inline struct rvvmm_hypercall_ret rvvmm_hypercall(unsigned long function, unsigned long arg0, unsigned long arg1,
                                                         unsigned long arg2, unsigned long arg3) {
  register unsigned long a0 __asm__("a0") = arg0;
  register unsigned long a1 __asm__("a1") = arg1;
  register unsigned long a2 __asm__("a2") = arg2;
  register unsigned long a3 __asm__("a3") = arg3;
  register unsigned long a6 __asm__("a6") = function;
  register unsigned long a7 __asm__("a7") = RVVMM_HYPERCALL_EID;
  struct rvvmm_hypercall_ret ret;
  __asm__ __volatile__("ecall" : "+r"(a0), "+r"(a1) : "r"(a2), "r"(a3), "r"(a6), "r"(a7) : "memory");
  ret.error = (long)a0;
  ret.value = a1;
  return ret;
}

#endif /* __riscv */
#endif /* __ASSEMBLER__ */
#endif /* RVVMM_HYPERCALL_H */

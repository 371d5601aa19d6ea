/* SBI calls and CSRs for guests in C. Numbers are those of SBI 3.0. */
#ifndef RVVMM_GUEST_SBI_H
#define RVVMM_GUEST_SBI_H

#define SBI_BASE 0x10UL
#define SBI_TIME 0x54494D45UL
#define SBI_IPI 0x735049UL
#define SBI_RFENCE 0x52464E43UL
#define SBI_HSM 0x48534DUL
#define SBI_SRST 0x53525354UL
#define SBI_PMU 0x504D55UL
#define SBI_DBCN 0x4442434EUL
#define SBI_SUSP 0x53555350UL
#define SBI_CPPC 0x43505043UL
#define SBI_NACL 0x4E41434CUL
#define SBI_STA 0x535441UL
#define SBI_SSE 0x535345UL
#define SBI_FWFT 0x46574654UL
#define SBI_DBTR 0x44425452UL
#define SBI_MPXY 0x4D505859UL

/* Where the guests find things; they are started with --mem 64M. */
#define RAM_BASE 0x80000000UL
#define RAM_END 0x84000000UL
#define UART_BASE 0x10000000UL
#define NO_DEVICE 0x3000UL
#define TICKS_PER_SECOND 10000000UL /* of the machines we test on */

#define SSTATUS_SIE 0x2UL
#define SIP_SSIP 0x2UL
#define SIP_STIP 0x20UL

struct sbi_ret {
  long error;
  unsigned long value;
};

static inline struct sbi_ret sbi_call(unsigned long eid, unsigned long fid, const unsigned long args[6]) {
  register unsigned long a0 __asm__("a0") = args[0];
  register unsigned long a1 __asm__("a1") = args[1];
  register unsigned long a2 __asm__("a2") = args[2];
  register unsigned long a3 __asm__("a3") = args[3];
  register unsigned long a4 __asm__("a4") = args[4];
  register unsigned long a5 __asm__("a5") = args[5];
  register unsigned long a6 __asm__("a6") = fid;
  register unsigned long a7 __asm__("a7") = eid;
  struct sbi_ret ret;
  __asm__ __volatile__("ecall"
                       : "+r"(a0), "+r"(a1)
                       : "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a6), "r"(a7)
                       : "memory");
  ret.error = (long)a0;
  ret.value = a1;
  return ret;
}

static inline struct sbi_ret sbi_call3(unsigned long eid, unsigned long fid, unsigned long a0, unsigned long a1,
                                       unsigned long a2) {
  const unsigned long args[6] = {a0, a1, a2, 0, 0, 0};
  return sbi_call(eid, fid, args);
}

/* Whether the base extension says that an extension is there. SBI 3.0, 4.4. */
static inline unsigned long sbi_probe(unsigned long eid) {
  return sbi_call3(SBI_BASE, 3, eid, 0, 0).value;
}

/* A CSR's name cannot be an argument of a function. */
#define CSR_READ(name)                                        \
  __extension__({                                             \
    unsigned long csr_value;                                  \
    __asm__ __volatile__("csrr %0, " #name : "=r"(csr_value)); \
    csr_value;                                                \
  })
#define CSR_SET(name, bits) __asm__ __volatile__("csrs " #name ", %0" : : "r"(bits))
#define CSR_CLEAR(name, bits) __asm__ __volatile__("csrc " #name ", %0" : : "r"(bits))

static inline unsigned long now(void) {
  return CSR_READ(time);
}

static inline unsigned long address_of(const volatile void* p) {
  return (unsigned long)p;
}

#endif

/* Calls in bad faith, on every hart at once: every extension that exists and a thousand that do not, functions that
   are none, arguments that are 0, -1, not aligned, outside RAM, across its end, a device, 2^63. The guest survives
   them, and each answer is one that the specification has for that extension; of what does not exist, NOT_SUPPORTED.
   Left out is what ends the VM or the hart by right: see is_left_out(). */
#include "harts.h"
#include "line.h"
#include "sbi_report.h"

#include <rvvmm/hypercall.h>

#define OWN_HSM 0x0848534DUL
#define HSM_RESUME 0x57UL /* what a suspended hart calls: nobody else may */
#define RANDOM_CALLS 1000
#define MAX_HARTS 2

_Alignas(4096) static unsigned char page[2 * 4096];

struct extension {
  unsigned long eid;
  unsigned long functions;
  unsigned errors; /* all that its functions may return */
};

#define HSM_ERRORS (SUCCESS | FAILED | NOT_SUPPORTED | INVALID_PARAM | INVALID_ADDRESS | ALREADY_AVAILABLE)

static const struct extension extensions[] = {
    {SBI_BASE, 7, SUCCESS},
    {SBI_TIME, 1, SUCCESS},
    {SBI_IPI, 1, SUCCESS | FAILED | INVALID_PARAM},
    {SBI_RFENCE, 7, SUCCESS | NOT_SUPPORTED | INVALID_PARAM | INVALID_ADDRESS},
    {SBI_HSM, 4, HSM_ERRORS},
    {OWN_HSM, 4, HSM_ERRORS},
    {SBI_SRST, 1, FAILED | NOT_SUPPORTED | INVALID_PARAM},
    {SBI_PMU, 9,
     SUCCESS | FAILED | NOT_SUPPORTED | INVALID_PARAM | INVALID_ADDRESS | ALREADY_STARTED | ALREADY_STOPPED | NO_SHMEM},
    {SBI_DBCN, 3, SUCCESS | FAILED | INVALID_PARAM | DENIED},
    {SBI_SUSP, 1, FAILED | NOT_SUPPORTED | INVALID_PARAM | DENIED | INVALID_ADDRESS},
    {SBI_STA, 1, SUCCESS | FAILED | INVALID_PARAM | INVALID_ADDRESS},
    {SBI_FWFT, 2, SUCCESS | FAILED | NOT_SUPPORTED | INVALID_PARAM | DENIED | DENIED_LOCKED},
    {SBI_MPXY, 8,
     SUCCESS | FAILED | NOT_SUPPORTED | INVALID_PARAM | DENIED | INVALID_ADDRESS | NO_SHMEM | BAD_RANGE | TIMEOUT | IO},
    {RVVMM_HYPERCALL_EID, 7, SUCCESS | INVALID_PARAM | DENIED | INVALID_ADDRESS},
};
#define EXTENSIONS (sizeof(extensions) / sizeof(extensions[0]))

/* Ends of the ranges and what lies beside them, extensions that nobody offers here, known ones with a bit more. */
static const unsigned long nobody[] = {
    0x08000000, 0x08FFFFFF, 0x09000000, 0x09FFFFFF, 0x0A000000,     0x0AFFFFFF,        0x07FFFFFF,         0x0B000000,
    0x09485643, 0x09123456, 0x0F,       0x11,       SBI_SSE,        SBI_CPPC,          SBI_NACL,           SBI_DBTR,
    0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000010, 0x14442434E,   0x800000000000010, 0x8000000000000010, -1UL};

static const unsigned long huge_functions[] = {HSM_RESUME, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,
                                               1UL << 32,  1UL << 63,  -1UL};

#define PAGE ((unsigned long)page)
static const unsigned long hostile[] = {0,           1,       -1UL,         PAGE,      PAGE + 1,  RAM_END - 1,
                                        RAM_END - 8, RAM_END, RAM_BASE - 1, NO_DEVICE, UART_BASE, 1UL << 63,
                                        1UL << 32};
#define HOSTILE (sizeof(hostile) / sizeof(hostile[0]))

/* The first wrong answer of a hart. */
struct wrong_answer {
  volatile int found;
  unsigned long eid, fid, arg0, arg1, answer;
};

struct hart {
  struct hart_entry entry; /* first: it is the hart's opaque argument */
  struct wrong_answer wrong;
  unsigned long calls;
  unsigned long random;
  volatile int done;
};

static struct hart harts[MAX_HARTS];
static unsigned char stack[8192] __attribute__((aligned(16)));

static unsigned long next_random(struct hart* hart) {
  hart->random ^= hart->random << 13;
  hart->random ^= hart->random >> 7;
  hart->random ^= hart->random << 17;
  return hart->random;
}

/* What ends the VM or the hart, or leaves it asleep without anything to wake it. Parameters of 32 bits are those of the
   low half, and so are functions. */
static int is_left_out(unsigned long eid, unsigned long fid, unsigned long arg0) {
  const unsigned function = (unsigned)fid;
  const unsigned type = (unsigned)arg0;
  switch (eid) {
    case SBI_SRST: return function == 0 && type <= 2;
    case SBI_SUSP: return function == 0 && type == 0;
    case RVVMM_HYPERCALL_EID: return function == RVVMM_HC_EXIT && arg0 <= 255;
    case SBI_HSM:
    case OWN_HSM: return function == 1 || (function == 3 && (type == 0 || type == 0x80000000));
    default: return 0;
  }
}

static void call(struct hart* hart, const struct extension* extension, unsigned long fid, const unsigned long args[6]) {
  if (hart->wrong.found || is_left_out(extension->eid, fid, args[0])) return;
  const struct sbi_ret ret = sbi_call(extension->eid, fid, args);
  ++hart->calls;
  const unsigned allowed = fid < extension->functions ? extension->errors : NOT_SUPPORTED;
  if (ret.error <= 0 && ret.error > -(long)ERRORS && (allowed >> (unsigned)-ret.error & 1) != 0) return;
  hart->wrong.eid = extension->eid;
  hart->wrong.fid = fid;
  hart->wrong.arg0 = args[0];
  hart->wrong.arg1 = args[1];
  hart->wrong.answer = (unsigned long)ret.error;
  hart->wrong.found = 1;
}

/* One function, with every pair of arguments: the first, and all others. */
static void call_function(struct hart* hart, const struct extension* extension, unsigned long fid) {
  for (unsigned long i = 0; i < HOSTILE; ++i) {
    for (unsigned long k = 0; k < HOSTILE; ++k) {
      const unsigned long args[6] = {hostile[i], hostile[k], hostile[(i + k) % HOSTILE], 0, hostile[k], hostile[i]};
      call(hart, extension, fid, args);
    }
  }
}

/* A function that is none needs no more than a few. */
static void call_missing_function(struct hart* hart, const struct extension* extension, unsigned long fid) {
  for (unsigned long i = 0; i < HOSTILE; ++i) {
    const unsigned long args[6] = {hostile[i], hostile[i], hostile[i], hostile[i], hostile[i], hostile[i]};
    call(hart, extension, fid, args);
  }
}

static void call_extension(struct hart* hart, const struct extension* extension) {
  for (unsigned long fid = 0; fid <= 64; ++fid) {
    if (fid < extension->functions) {
      call_function(hart, extension, fid);
    } else {
      call_missing_function(hart, extension, fid);
    }
  }
  for (unsigned long i = 0; i < sizeof(huge_functions) / sizeof(huge_functions[0]); ++i)
    call_missing_function(hart, extension, huge_functions[i]);
}

/* Legacy calls have neither functions nor errors. Where they exist they are left out: some read a mask where a0 points,
   as a load of the guest's that may fault, and one is shutdown. */
static void call_legacy(struct hart* hart) {
  for (unsigned long eid = 0; eid <= 8; ++eid) {
    if (sbi_probe(eid) != 0) continue;
    const struct extension absent = {eid, 0, 0};
    call_missing_function(hart, &absent, 0);
    call_missing_function(hart, &absent, 64);
  }
}

static int exists(unsigned long eid) {
  for (unsigned long i = 0; i < EXTENSIONS; ++i)
    if (extensions[i].eid == eid) return 1;
  return eid <= 8;
}

static void call_at_random(struct hart* hart) {
  for (int i = 0; i < RANDOM_CALLS; ++i) {
    const unsigned long number = next_random(hart);
    const struct extension nobodys = {i % 2 ? number : number >> 32, 0, 0};
    if (exists(nobodys.eid)) continue;
    const unsigned long a0 = next_random(hart);
    const unsigned long args[6] = {a0, hostile[(unsigned)i % HOSTILE], next_random(hart), number, 0, -1UL};
    call(hart, &nobodys, next_random(hart), args);
    call(hart, &nobodys, (unsigned long)i % 65, args);
  }
}

static void work(struct hart* hart) {
  for (unsigned long i = 0; i < EXTENSIONS; ++i) {
    const struct extension absent = {extensions[i].eid, 0, 0};
    call_extension(hart, sbi_probe(extensions[i].eid) != 0 ? &extensions[i] : &absent);
  }
  for (unsigned long i = 0; i < sizeof(nobody) / sizeof(nobody[0]); ++i) {
    const struct extension nobodys = {nobody[i], 0, 0};
    call_extension(hart, &nobodys);
  }
  call_legacy(hart);
  call_at_random(hart);
  __sync_synchronize();
  hart->done = 1;
}

static void second_hart(unsigned long id, const struct hart_entry* entry, unsigned long satp, unsigned long sstatus) {
  (void)entry, (void)satp, (void)sstatus;
  work(&harts[id]);
  for (;;) __asm__ __volatile__("wfi");
}

static void report(const struct hart* hart) {
  line_text("\ncalls ");
  line_number(hart->calls);
  if (hart->wrong.found) {
    const unsigned long numbers[] = {hart->wrong.eid, hart->wrong.fid, hart->wrong.arg0, hart->wrong.arg1};
    line_text(": wrong answer of EID, FID, a0, a1");
    for (unsigned i = 0; i < 4; ++i) {
      line_text(" ");
      line_number(numbers[i]);
    }
    line_text(" is -");
    line_number(-hart->wrong.answer);
  }
  line_end();
}

int guest_main(unsigned long hart, const void* device_tree);

int guest_main(unsigned long hart, const void* device_tree) {
  (void)device_tree;
  if (hart != 0) return 1;
  for (unsigned i = 0; i < MAX_HARTS; ++i) harts[i].random = 0x853c49e6748fea9bUL + i;
  harts[1].entry.stack_top = address_of(stack + sizeof(stack));
  harts[1].entry.run = second_hart;
  /* With one hart it is not there. */
  const int two = sbi_call3(SBI_HSM, 0, 1, address_of(hart_begin), address_of(&harts[1])).error == 0;
  work(&harts[0]);
  const unsigned long done = now();
  while (two && !harts[1].done)
    if (now() - done > 60 * TICKS_PER_SECOND) return 2;
  report(&harts[0]);
  if (two) report(&harts[1]);
  if (harts[0].wrong.found || harts[1].wrong.found) return 3;
  /* So much that nothing was left out by mistake. */
  return harts[0].calls < 20000 || (two && harts[1].calls < 20000) ? 4 : 0;
}

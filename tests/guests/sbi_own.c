/* What rvvmm answers beside the standard: hypercalls (docs/hypercalls.md), its own HSM, and the experimental and vendor
   ranges where they live. "exit" with a good status is not called: it ends the VM. */
#include <rvvmm/hypercall.h>

#include "sbi_conformance.h"

#define DOCUMENT "hypercalls.md"
#define FEATURES 0x7f

static const struct sbi_extension hvc = {"HVC", RVVMM_HYPERCALL_EID, "rvvmm"};

static const struct sbi_answer not_supported = {NOT_SUPPORTED, ANY_VALUE, 0};
static const struct sbi_answer invalid = {INVALID_PARAM, ANY_VALUE, 0};
static const struct sbi_answer elsewhere = {INVALID_ADDRESS, ANY_VALUE, 0};

static struct rvvmm_batch_entry entries[2] __attribute__((aligned(64)));

static void plain_calls(void) {
  const unsigned long word = PAGE;
  const struct sbi_row rows[] = {
      {"version", DOCUMENT, "none", RVVMM_HC_VERSION, {0}, {SUCCESS, VALUE_IS, RVVMM_HYPERCALL_VERSION}, 0, 0},
      {"features", DOCUMENT, "none", RVVMM_HC_FEATURES, {0}, {SUCCESS, VALUE_IS, FEATURES}, 0, 0},
      {"exit", DOCUMENT, "256", RVVMM_HC_EXIT, {256}, invalid, 0, 0},
      {"exit", DOCUMENT, "-1", RVVMM_HC_EXIT, {-1UL}, invalid, 0, 0},
      {"log", DOCUMENT, "level 3, 4 bytes", RVVMM_HC_LOG, {3, 4, word, 0}, {SUCCESS, VALUE_IS, 4}, 0, 0},
      {"log", DOCUMENT, "level 4", RVVMM_HC_LOG, {4, 4, word, 0}, invalid, 0, 0},
      {"log", DOCUMENT, "behind RAM", RVVMM_HC_LOG, {3, 4, RAM_END, 0}, elsewhere, 0, 0},
      {"log", DOCUMENT, "across the end of RAM", RVVMM_HC_LOG, {3, 4, RAM_END - 3, 0}, elsewhere, 0, 0},
      {"log", DOCUMENT, "2^63 bytes", RVVMM_HC_LOG, {3, 1UL << 63, word, 0}, elsewhere, 0, 0},
      {"log", DOCUMENT, "high word 1", RVVMM_HC_LOG, {3, 4, word, 1}, elsewhere, 0, 0},
      {"mark", DOCUMENT, "4 bytes, nobody records", RVVMM_HC_MARK, {4, word, 0}, {SUCCESS, VALUE_IS, 0}, 0, 0},
      {"mark", DOCUMENT, "no bytes", RVVMM_HC_MARK, {0, word, 0}, invalid, 0, 0},
      {"mark", DOCUMENT, "65 bytes", RVVMM_HC_MARK, {65, word, 0}, invalid, 0, 0},
      {"mark", DOCUMENT, "behind RAM", RVVMM_HC_MARK, {4, RAM_END, 0}, elsewhere, 0, 0},
      {"wall clock", DOCUMENT, "none", RVVMM_HC_WALL_CLOCK, {0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"function 7", DOCUMENT, "none", 7, {0}, not_supported, 0, 0},
      {"function -1", DOCUMENT, "none", -1UL, {0}, not_supported, 0, 0},
  };
  for (unsigned i = 0; i < 4; ++i) page[i] = (unsigned char)"mark"[i];
  report_probe(&hvc);
  REPORT_CALLS(&hvc, rows);
}

static void entry(int i, unsigned long eid, unsigned long fid, unsigned long a0) {
  entries[i].eid = eid;
  entries[i].fid = fid;
  entries[i].args[0] = a0;
  entries[i].ret[0] = 77;
}

static void batches(void) {
  const unsigned long array = address_of(entries);
  const struct sbi_row whole = {
      "batch", DOCUMENT, "2 entries: version, set_timer", RVVMM_HC_BATCH, {2, array, 0, 0}, {SUCCESS, VALUE_IS, 2},
      0, 0};
  const struct sbi_row rows[] = {
      {"batch", DOCUMENT, "no entries", RVVMM_HC_BATCH, {0, array, 0, 0}, {SUCCESS, VALUE_IS, 0}, 0, 0},
      {"batch", DOCUMENT, "257 entries", RVVMM_HC_BATCH, {257, array, 0, 0}, invalid, 0, 0},
      {"batch", DOCUMENT, "flags 2", RVVMM_HC_BATCH, {1, array, 0, 2}, invalid, 0, 0},
      {"batch", DOCUMENT, "not aligned to 8 bytes", RVVMM_HC_BATCH, {1, array + 4, 0, 0}, invalid, 0, 0},
      {"batch", DOCUMENT, "across the end of RAM", RVVMM_HC_BATCH, {1, RAM_END - 72, 0, 0}, elsewhere, 0, 0},
      {"batch", DOCUMENT, "high word 1", RVVMM_HC_BATCH, {1, array, 1, 0}, elsewhere, 0, 0},
  };
  entry(0, RVVMM_HYPERCALL_EID, RVVMM_HC_VERSION, 0);
  entry(1, SBI_TIME, 0, -1UL);
  report_call(&hvc, &whole);
  const int right = entries[0].ret[0] == 0 && (long)entries[1].ret[0] == -2;
  report_fact(&hvc, &(struct sbi_fact){"batch", DOCUMENT, "its answers: version; set_timer, which is KVM's",
                                       "SUCCESS; NOT_SUPPORTED", right ? "SUCCESS; NOT_SUPPORTED" : "others", right});
  REPORT_CALLS(&hvc, rows);
}

/* EIDs of the ranges that nobody has. */
static void empty_ranges(void) {
  static const struct sbi_extension extensions[] = {{"0x08000000", 0x08000000, "rvvmm"},
                                                    {"0x08FFFFFF", 0x08FFFFFF, "rvvmm"},
                                                    {"0x09000000", 0x09000000, "rvvmm"},
                                                    {"0x09FFFFFF", 0x09FFFFFF, "rvvmm"}};
  static const struct sbi_row row = {"function 0", "3", "none", 0, {0}, {NOT_SUPPORTED, ANY_VALUE, 0}, 0, 0};
  for (unsigned i = 0; i < sizeof(extensions) / sizeof(extensions[0]); ++i) {
    report_probe(&extensions[i]);
    report_call(&extensions[i], &row);
  }
}

void own_checks(void) {
  static const struct sbi_extension hsm = {"HSM of rvvmm", 0x0848534D, "rvvmm"};
  plain_calls();
  batches();
  hsm_checks(&hsm);
  empty_ranges();
}

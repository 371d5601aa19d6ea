/* Rows of docs/sbi-conformance.md: calls, what the specification lets them answer, and what came. */
#ifndef RVVMM_GUEST_SBI_REPORT_H
#define RVVMM_GUEST_SBI_REPORT_H

#include "sbi.h"

/* Bit n: error -n. SBI 3.0, ch. 3, table "Standard SBI Errors". */
enum {
  SUCCESS = 1 << 0,
  FAILED = 1 << 1,
  NOT_SUPPORTED = 1 << 2,
  INVALID_PARAM = 1 << 3,
  DENIED = 1 << 4,
  INVALID_ADDRESS = 1 << 5,
  ALREADY_AVAILABLE = 1 << 6,
  ALREADY_STARTED = 1 << 7,
  ALREADY_STOPPED = 1 << 8,
  NO_SHMEM = 1 << 9,
  INVALID_STATE = 1 << 10,
  BAD_RANGE = 1 << 11,
  TIMEOUT = 1 << 12,
  IO = 1 << 13,
  DENIED_LOCKED = 1 << 14,
  ERRORS = 15
};

/* What the value beside SUCCESS must be. A value that may be anything is not shown: it differs from host to host. */
enum value_rule { ANY_VALUE, VALUE_IS, VALUE_AT_MOST, VALUE_AT_LEAST };

struct sbi_answer {
  unsigned errors; /* all that are right */
  enum value_rule rule;
  unsigned long value;
};

struct sbi_extension {
  const char* name;
  unsigned long eid;
  const char* answered_by; /* "KVM" or "rvvmm" */
};

struct sbi_row {
  const char* function;  /* as the specification calls it, without sbi_ */
  const char* section;   /* of SBI 3.0, or of another document */
  const char* arguments; /* in words */
  unsigned long fid;
  unsigned long args[6];
  struct sbi_answer expected;
  unsigned long since;     /* the version that has this function, where an older kernel may lack it: 0x03000000 */
  const char* answered_by; /* where it is not who answers the extension */
};

/* Makes the call and writes its row. An extension that is absent must say NOT_SUPPORTED to everything. */
struct sbi_ret report_call(const struct sbi_extension* extension, const struct sbi_row* row);
void report_calls(const struct sbi_extension* extension, const struct sbi_row* rows, unsigned long count);
/* The row of sbi_probe_extension() for this extension. */
void report_probe(const struct sbi_extension* extension);

/* What a call left behind, as text. */
struct sbi_fact {
  const char* function;
  const char* section;
  const char* arguments;
  const char* expected;
  const char* seen;
  int holds;
};
/* Where the extension is absent the row says so, whatever the fact. */
void report_fact(const struct sbi_extension* extension, const struct sbi_fact* fact);

/* Writes how many rows there were. */
void report_end(void);

#define REPORT_CALLS(extension, rows) report_calls(extension, rows, sizeof(rows) / sizeof((rows)[0]))

#endif

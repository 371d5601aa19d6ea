/* A row is a line of fields with tabs between them, which tools/sbi-conformance.py and sbi_test.cpp read:
   sbi, extension, function, section, arguments, expected, seen, who answers, verdict. The verdict is "ok", "deviates",
   or "absent" where the extension or the function is not there and the call says so. */
#include "sbi_report.h"

#include "line.h"

static unsigned long rows_written;

static const char* error_name(unsigned number) {
  static const char* const names[ERRORS] = {
      "SUCCESS",           "FAILED",          "NOT_SUPPORTED",   "INVALID_PARAM", "DENIED",        "INVALID_ADDRESS",
      "ALREADY_AVAILABLE", "ALREADY_STARTED", "ALREADY_STOPPED", "NO_SHMEM",      "INVALID_STATE", "BAD_RANGE",
      "TIMEOUT",           "IO",              "DENIED_LOCKED"};
  return number < ERRORS ? names[number] : "no error of SBI";
}

static void field(const char* text) {
  line_text(text);
  line_text("\t");
}

static void begin_row(const char* extension, const char* function, const char* section, const char* arguments) {
  field("sbi");
  field(extension);
  field(function);
  field(section);
  field(arguments);
}

static void end_row(const char* answered_by, const char* verdict) {
  field(answered_by);
  line_text(verdict);
  line_end();
  ++rows_written;
}

static void expected_field(const struct sbi_answer* expected) {
  const char* between = "";
  for (unsigned n = 0; n < ERRORS; ++n) {
    if ((expected->errors >> n & 1) == 0) continue;
    line_text(between);
    line_text(error_name(n));
    if (n == 0 && expected->rule != ANY_VALUE) {
      static const char* const words[] = {"", " with ", " with at most ", " with at least "};
      line_text(words[expected->rule]);
      line_number(expected->value);
    }
    between = " or ";
  }
  line_text("\t");
}

static void seen_field(const struct sbi_answer* expected, const struct sbi_ret* seen) {
  if (seen->error > 0) {
    line_number((unsigned long)seen->error);
  } else {
    line_text(error_name((unsigned)-seen->error));
  }
  if (seen->error == 0 && expected->rule != ANY_VALUE) {
    line_text(" with ");
    line_number(seen->value);
  }
  line_text("\t");
}

static int conforms(const struct sbi_answer* expected, const struct sbi_ret* seen) {
  if (seen->error > 0 || seen->error <= -(long)ERRORS) return 0;
  if ((expected->errors >> (unsigned)-seen->error & 1) == 0) return 0;
  if (seen->error != 0) return 1;
  switch (expected->rule) {
    case ANY_VALUE: return 1;
    case VALUE_IS: return seen->value == expected->value;
    case VALUE_AT_MOST: return seen->value <= expected->value;
    case VALUE_AT_LEAST: return seen->value >= expected->value;
  }
  return 0;
}

static int is_absent(const struct sbi_extension* extension, const struct sbi_row* row) {
  return sbi_probe(extension->eid) == 0 || sbi_call3(SBI_BASE, 0, 0, 0, 0).value < row->since;
}

struct sbi_ret report_call(const struct sbi_extension* extension, const struct sbi_row* row) {
  const struct sbi_ret seen = sbi_call(extension->eid, row->fid, row->args);
  const char* verdict = conforms(&row->expected, &seen) ? "ok" : "deviates";
  if (is_absent(extension, row)) verdict = seen.error == -2 ? "absent" : "deviates";
  begin_row(extension->name, row->function, row->section, row->arguments);
  expected_field(&row->expected);
  seen_field(&row->expected, &seen);
  end_row(row->answered_by ? row->answered_by : extension->answered_by, verdict);
  return seen;
}

void report_calls(const struct sbi_extension* extension, const struct sbi_row* rows, unsigned long count) {
  for (unsigned long i = 0; i < count; ++i) report_call(extension, &rows[i]);
}

void report_probe(const struct sbi_extension* extension) {
  const struct sbi_ret seen = sbi_call3(SBI_BASE, 3, extension->eid, 0, 0);
  begin_row(extension->name, "probe_extension", "4.4", "this extension");
  field("SUCCESS with 0 or more");
  line_text(seen.error == 0 ? "SUCCESS with " : "error ");
  line_number(seen.error == 0 ? seen.value : (unsigned long)-seen.error);
  line_text("\t");
  /* Of these ranges KVM asks user space. */
  const int forwarded = extension->eid >> 24 == 0x08 || extension->eid >> 24 == 0x09;
  end_row(forwarded ? "rvvmm" : "KVM", seen.error != 0 ? "deviates" : seen.value != 0 ? "ok" : "absent");
}

void report_fact(const struct sbi_extension* extension, const struct sbi_fact* fact) {
  const int present = sbi_probe(extension->eid) != 0;
  begin_row(extension->name, fact->function, fact->section, fact->arguments);
  field(fact->expected);
  field(present ? fact->seen : "not asked");
  end_row(extension->answered_by, !present ? "absent" : fact->holds ? "ok" : "deviates");
}

void report_end(void) {
  line_text("rows\t");
  line_number(rows_written);
  line_end();
}

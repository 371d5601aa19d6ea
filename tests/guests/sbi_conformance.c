/* Makes every call of every SBI extension, with right and wrong arguments, and writes a row for each: from them
   tools/dev sbi-table draws docs/sbi-conformance.md. Runs with --mem 64M --smp 2.
   Not called is what ends the VM or the hart for good: SRST with a type and a reason that are good, or with a reason
   that is reserved (KVM takes it for a good one); SUSP with all that it asks for; legacy shutdown; and HSM start at an
   address that is none, where KVM answers (it starts the hart there). */
#include "sbi_conformance.h"

#include "line.h"

_Alignas(4096) unsigned char page[4096];

static const struct sbi_answer not_supported = {NOT_SUPPORTED, ANY_VALUE, 0};

static void base_checks(void) {
  static const struct sbi_extension base = {"BASE", SBI_BASE, "KVM"};
  static const struct sbi_row rows[] = {
      {"get_spec_version", "4.1", "none", 0, {0}, {SUCCESS, VALUE_AT_LEAST, 2}, 0, 0},
      {"get_impl_id", "4.2", "none: 3 is KVM", 1, {0}, {SUCCESS, VALUE_IS, 3}, 0, 0},
      {"get_impl_version", "4.3", "none", 2, {0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"probe_extension", "4.4", "-1", 3, {-1UL}, {SUCCESS, VALUE_IS, 0}, 0, 0},
      {"probe_extension", "4.4", "0x0A000000, a firmware's", 3, {0x0A000000}, {SUCCESS, VALUE_IS, 0}, 0, 0},
      {"probe_extension", "4.4", "0x11, nobody's", 3, {0x11}, {SUCCESS, VALUE_IS, 0}, 0, 0},
      {"get_mvendorid", "4.5", "none", 4, {0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"get_marchid", "4.6", "none", 5, {0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"get_mimpid", "4.7", "none", 6, {0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"function 7", "3", "none", 7, {0}, not_supported, 0, 0},
      {"function -1", "3", "none", -1UL, {0}, not_supported, 0, 0},
  };
  report_probe(&base);
  REPORT_CALLS(&base, rows);
}

/* EIDs 0 to 8 are extensions each, without functions. Only a0 is an answer: a1 must come back as it went. */
static void legacy_checks(void) {
  static unsigned long mask = 1;
  static const struct sbi_extension extensions[] = {
      {"legacy set_timer", 0, "KVM"},        {"legacy putchar", 1, "rvvmm"},        {"legacy getchar", 2, "rvvmm"},
      {"legacy clear_ipi", 3, "KVM"},        {"legacy send_ipi", 4, "KVM"},         {"legacy remote_fence_i", 5, "KVM"},
      {"legacy remote_sfence_vma", 6, "KVM"}, {"legacy remote_sfence_vma_asid", 7, "KVM"}};
  const unsigned long m = address_of(&mask);
  const struct sbi_row rows[] = {
      {"set_timer", "5.1", "never", 0, {-1UL, 7}, {SUCCESS, VALUE_IS, 7}, 0, 0},
      {"console_putchar", "5.2", "line feed", 0, {'\n', 7}, {SUCCESS, VALUE_IS, 7}, 0, 0},
      {"console_getchar", "5.3", "no input", 0, {0, 7}, {FAILED, ANY_VALUE, 0}, 0, 0},
      {"clear_ipi", "5.4", "none", 0, {0, 7}, {SUCCESS, VALUE_IS, 7}, 0, 0},
      {"send_ipi", "5.5", "mask of hart 0", 0, {m, 7}, {SUCCESS, VALUE_IS, 7}, 0, 0},
      {"remote_fence_i", "5.6", "mask of hart 0", 0, {m, 7}, {SUCCESS, VALUE_IS, 7}, 0, 0},
      {"remote_sfence_vma", "5.7", "mask of hart 0, all", 0, {m, 0, 0}, {SUCCESS, VALUE_IS, 0}, 0, 0},
      {"remote_sfence_vma_asid", "5.8", "mask of hart 0, all, ASID 1", 0, {m, 0, 0, 1}, {SUCCESS, VALUE_IS, 0}, 0, 0},
  };
  for (unsigned long i = 0; i < sizeof(rows) / sizeof(rows[0]); ++i) {
    report_probe(&extensions[i]);
    report_call(&extensions[i], &rows[i]);
  }
  CSR_CLEAR(sip, SIP_SSIP);
}

/* A pending bit follows the cause of its interrupt in its own time: waits a second at most. */
static int becomes_pending(unsigned long bit, int pending) {
  const unsigned long begin = now();
  for (;;) {
    const int is = (CSR_READ(sip) & bit) != 0;
    if (is == pending || now() - begin > TICKS_PER_SECOND) return is == pending;
  }
}

static void time_checks(void) {
  static const struct sbi_extension time = {"TIME", SBI_TIME, "KVM"};
  static const struct sbi_row past = {"set_timer", "6.1", "a time that is over", 0, {1}, {SUCCESS, ANY_VALUE, 0}, 0, 0};
  static const struct sbi_row never = {"set_timer", "6.1", "never", 0, {-1UL}, {SUCCESS, ANY_VALUE, 0}, 0, 0};
  static const struct sbi_row other = {"function 1", "3", "none", 1, {0}, not_supported, 0, 0};
  report_probe(&time);
  report_call(&time, &past);
  int pending = becomes_pending(SIP_STIP, 1);
  /* On a busy host a timer of the guest may stay away (docs/testing.md). */
  for (int tries = 0; !pending && tries < 10; ++tries) {
    sbi_call3(SBI_TIME, 0, 1, 0, 0);
    pending = becomes_pending(SIP_STIP, 1);
  }
  report_fact(&time, &(struct sbi_fact){"set_timer", "6.1", "sip.STIP after a time that is over", "1",
                                        pending ? "1" : "0", pending});
  report_call(&time, &never);
  const int cleared = becomes_pending(SIP_STIP, 0);
  report_fact(&time, &(struct sbi_fact){"set_timer", "6.1", "sip.STIP after never", "0", cleared ? "0" : "1", cleared});
  report_call(&time, &other);
}

static void ipi_checks(void) {
  static const struct sbi_extension ipi = {"IPI", SBI_IPI, "KVM"};
  static const struct sbi_row self = {"send_ipi", "7.1", "hart 0", 0, {1, 0}, {SUCCESS, ANY_VALUE, 0}, 0, 0};
  static const struct sbi_row rows[] = {
      {"send_ipi", "7.1", "no hart", 0, {0, 0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"send_ipi", "7.1", "all harts", 0, {0, -1UL}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"send_ipi", "7.1", "hart 2, which is none", 0, {4, 0}, {INVALID_PARAM, ANY_VALUE, 0}, 0, 0},
      {"send_ipi", "7.1", "mask 1 from hart 2^63", 0, {1, 1UL << 63}, {INVALID_PARAM, ANY_VALUE, 0}, 0, 0},
      {"function 1", "3", "none", 1, {0}, not_supported, 0, 0},
  };
  report_probe(&ipi);
  report_call(&ipi, &self);
  const int pending = becomes_pending(SIP_SSIP, 1);
  report_fact(&ipi, &(struct sbi_fact){"send_ipi", "7.1", "sip.SSIP of hart 0", "1", pending ? "1" : "0", pending});
  REPORT_CALLS(&ipi, rows);
  CSR_CLEAR(sip, SIP_SSIP);
}

static void rfence_checks(void) {
  static const struct sbi_extension rfence = {"RFNC", SBI_RFENCE, "KVM"};
  static const struct sbi_answer done = {SUCCESS, ANY_VALUE, 0};
  static const struct sbi_answer no_hart = {INVALID_PARAM, ANY_VALUE, 0};
  static const struct sbi_row rows[] = {
      {"remote_fence_i", "8.1", "hart 0", 0, {1, 0}, done, 0, 0},
      {"remote_fence_i", "8.1", "all harts", 0, {0, -1UL}, done, 0, 0},
      {"remote_fence_i", "8.1", "hart 2, which is none", 0, {4, 0}, no_hart, 0, 0},
      {"remote_fence_i", "8.1", "mask 1 from hart 2^63", 0, {1, 1UL << 63}, no_hart, 0, 0},
      {"remote_sfence_vma", "8.2", "hart 0, all, as 0 and 0", 1, {1, 0, 0, 0}, done, 0, 0},
      {"remote_sfence_vma", "8.2", "hart 0, all, as size -1", 1, {1, 0, 0, -1UL}, done, 0, 0},
      {"remote_sfence_vma", "8.2", "all harts, one page", 1, {0, -1UL, 0x80000000, 4096}, done, 0, 0},
      {"remote_sfence_vma", "8.2", "hart 2, which is none", 1, {4, 0, 0, 0}, no_hart, 0, 0},
      {"remote_sfence_vma_asid", "8.3", "hart 0, all, ASID 1", 2, {1, 0, 0, 0, 1}, done, 0, 0},
      {"remote_sfence_vma_asid", "8.3", "all harts, one page, ASID 1", 2, {0, -1UL, 0x80000000, 4096, 1}, done, 0, 0},
      {"remote_sfence_vma_asid", "8.3", "hart 2, which is none", 2, {4, 0, 0, 0, 1}, no_hart, 0, 0},
      {"remote_hfence_gvma_vmid", "8.4", "hart 0, which has no H", 3, {1, 0, 0, 0, 1}, not_supported, 0, 0},
      {"remote_hfence_gvma", "8.5", "hart 0, which has no H", 4, {1, 0, 0, 0}, not_supported, 0, 0},
      {"remote_hfence_vvma_asid", "8.6", "hart 0, which has no H", 5, {1, 0, 0, 0, 1}, not_supported, 0, 0},
      {"remote_hfence_vvma", "8.7", "hart 0, which has no H", 6, {1, 0, 0, 0}, not_supported, 0, 0},
      {"function 7", "3", "none", 7, {0}, not_supported, 0, 0},
  };
  report_probe(&rfence);
  REPORT_CALLS(&rfence, rows);
}

static void srst_checks(void) {
  static const struct sbi_extension srst = {"SRST", SBI_SRST, "KVM"};
  static const struct sbi_answer refused = {INVALID_PARAM, ANY_VALUE, 0};
  static const struct sbi_row rows[] = {
      {"system_reset", "10.1", "type 3, reserved", 0, {3, 0}, refused, 0, 0},
      {"system_reset", "10.1", "type 0xEFFFFFFF, reserved", 0, {0xEFFFFFFF, 0}, refused, 0, 0},
      {"system_reset", "10.1", "type 0xF0000000, a platform's", 0, {0xF0000000, 0}, refused, 0, 0},
      {"system_reset", "10.1", "type 3 and reason 2, both reserved", 0, {3, 2}, refused, 0, 0},
      {"function 1", "3", "none", 1, {0}, not_supported, 0, 0},
  };
  report_probe(&srst);
  REPORT_CALLS(&srst, rows);
}

static void dbcn_memory_checks(const struct sbi_extension* dbcn, const char* function, const char* section,
                               unsigned long fid) {
  static const struct sbi_answer refused = {INVALID_PARAM, ANY_VALUE, 0};
  const struct sbi_row rows[] = {
      {function, section, "no bytes", fid, {0, PAGE, 0}, {SUCCESS, VALUE_IS, 0}, 0, 0},
      {function, section, "1 byte, the last of RAM", fid, {1, RAM_END - 1, 0}, {SUCCESS, VALUE_AT_MOST, 1}, 0, 0},
      {function, section, "2 bytes across the end of RAM", fid, {2, RAM_END - 1, 0}, refused, 0, 0},
      {function, section, "1 byte behind RAM", fid, {1, RAM_END, 0}, refused, 0, 0},
      {function, section, "1 byte before RAM", fid, {1, RAM_BASE - 1, 0}, refused, 0, 0},
      {function, section, "1 byte at 0", fid, {1, 0, 0}, refused, 0, 0},
      {function, section, "1 byte of the UART", fid, {1, UART_BASE, 0}, refused, 0, 0},
      {function, section, "2^63 bytes", fid, {1UL << 63, PAGE, 0}, refused, 0, 0},
      {function, section, "-1 bytes, to the byte before", fid, {-1UL, PAGE, 0}, refused, 0, 0},
      {function, section, "1 byte, address high word 1", fid, {1, PAGE, 1}, refused, 0, 0},
  };
  REPORT_CALLS(dbcn, rows);
}

static void dbcn_checks(void) {
  static const struct sbi_extension dbcn = {"DBCN", SBI_DBCN, "rvvmm"};
  const struct sbi_row write = {
      "debug_console_write", "12.1", "a line", 0, {5, PAGE, 0}, {SUCCESS, VALUE_AT_MOST, 5}, 0, 0};
  const struct sbi_row read = {
      "debug_console_read", "12.2", "no input", 1, {64, PAGE, 0}, {SUCCESS, VALUE_IS, 0}, 0, 0};
  static const struct sbi_row bytes[] = {
      {"debug_console_write_byte", "12.3", "line feed", 2, {'\n'}, {SUCCESS, VALUE_IS, 0}, 0, 0},
      {"debug_console_write_byte", "12.3", "line feed, and bits above", 2, {-1UL << 8 | '\n'}, {SUCCESS, VALUE_IS, 0},
       0, 0},
      {"function 3", "3", "none", 3, {0}, not_supported, 0, 0},
  };
  static const char text[5] = "dbcn\n";
  for (unsigned i = 0; i < sizeof(text); ++i) page[i] = (unsigned char)text[i];
  *(volatile unsigned char*)(RAM_END - 1) = '\n';
  report_probe(&dbcn);
  report_call(&dbcn, &write);
  dbcn_memory_checks(&dbcn, "debug_console_write", "12.1", 0);
  report_call(&dbcn, &read);
  const int untouched = page[0] == 'd' && page[4] == '\n';
  report_fact(&dbcn, &(struct sbi_fact){"debug_console_read", "12.2", "the buffer after no input", "untouched",
                                        untouched ? "untouched" : "changed", untouched});
  dbcn_memory_checks(&dbcn, "debug_console_read", "12.2", 1);
  REPORT_CALLS(&dbcn, bytes);
}

static int all_zero(const unsigned char* bytes, unsigned long count) {
  for (unsigned long i = 0; i < count; ++i)
    if (bytes[i] != 0) return 0;
  return 1;
}

static void sta_checks(void) {
  static const struct sbi_extension sta = {"STA", SBI_STA, "KVM"};
  const struct sbi_row right = {
      "steal_time_set_shmem", "16.1", "64 bytes of RAM", 0, {PAGE, 0, 0}, {SUCCESS, VALUE_IS, 0}, 0, 0};
  static const struct sbi_answer refused = {INVALID_PARAM, ANY_VALUE, 0};
  static const struct sbi_answer elsewhere = {INVALID_ADDRESS | FAILED, ANY_VALUE, 0};
  const struct sbi_row rows[] = {
      {"steal_time_set_shmem", "16.1", "flags 1", 0, {PAGE, 0, 1}, refused, 0, 0},
      {"steal_time_set_shmem", "16.1", "not aligned to 64 bytes", 0, {PAGE + 8, 0, 0}, refused, 0, 0},
      {"steal_time_set_shmem", "16.1", "behind RAM", 0, {RAM_END, 0, 0}, elsewhere, 0, 0},
      {"steal_time_set_shmem", "16.1", "the UART", 0, {UART_BASE, 0, 0}, elsewhere, 0, 0},
      {"steal_time_set_shmem", "16.1", "high word 1", 0, {PAGE, 1, 0}, elsewhere, 0, 0},
      {"steal_time_set_shmem", "16.1", "off", 0, {-1UL, -1UL, 0}, {SUCCESS, VALUE_IS, 0}, 0, 0},
      {"steal_time_set_shmem", "16.1", "off, flags 1", 0, {-1UL, -1UL, 1}, refused, 0, 0},
      {"function 1", "3", "none", 1, {0}, not_supported, 0, 0},
  };
  for (unsigned i = 0; i < 64; ++i) page[i] = 0x55;
  report_probe(&sta);
  report_call(&sta, &right);
  /* The steal time itself may have begun to count. */
  const int cleared = all_zero(page + 17, 47) && all_zero(page + 4, 4);
  report_fact(&sta, &(struct sbi_fact){"steal_time_set_shmem", "16.1", "flags and padding of the memory", "0",
                                       cleared ? "0" : "not 0", cleared});
  REPORT_CALLS(&sta, rows);
}

static void susp_checks(void) {
  static const struct sbi_extension susp = {"SUSP", SBI_SUSP, "KVM"};
  static const struct sbi_answer refused = {INVALID_PARAM, ANY_VALUE, 0};
  static const struct sbi_row rows[] = {
      {"system_suspend", "13.1", "type 1, reserved", 0, {1, RAM_BASE, 0}, refused, 0, 0},
      {"system_suspend", "13.1", "type 0x80000000, a platform's", 0, {0x80000000, RAM_BASE, 0}, refused, 0, 0},
      {"system_suspend", "13.1", "type 0, to resume behind RAM", 0, {0, RAM_END, 0}, {INVALID_ADDRESS, ANY_VALUE, 0},
       0, 0},
      {"function 1", "3", "none", 1, {0}, not_supported, 0, 0},
  };
  report_probe(&susp);
  REPORT_CALLS(&susp, rows);
}

static void fwft_checks(void) {
  static const struct sbi_extension fwft = {"FWFT", SBI_FWFT, "KVM"};
  /* What is reserved is denied; what is known may lack what it needs. */
  static const struct sbi_answer denied = {DENIED, ANY_VALUE, 0};
  static const struct sbi_answer refused = {INVALID_PARAM | NOT_SUPPORTED, ANY_VALUE, 0};
  static const struct sbi_answer done = {SUCCESS | NOT_SUPPORTED, ANY_VALUE, 0};
  static const struct sbi_answer locked = {DENIED_LOCKED | NOT_SUPPORTED, ANY_VALUE, 0};
  static const struct sbi_row rows[] = {
      {"fwft_get", "18.2", "MISALIGNED_EXC_DELEG", 1, {0}, {SUCCESS | NOT_SUPPORTED, VALUE_AT_MOST, 1}, 0, 0},
      {"fwft_get", "18.2", "LANDING_PAD", 1, {1}, {SUCCESS | NOT_SUPPORTED, VALUE_AT_MOST, 1}, 0, 0},
      {"fwft_get", "18.2", "SHADOW_STACK", 1, {2}, {SUCCESS | NOT_SUPPORTED, VALUE_AT_MOST, 1}, 0, 0},
      {"fwft_get", "18.2", "DOUBLE_TRAP", 1, {3}, {SUCCESS | NOT_SUPPORTED, VALUE_AT_MOST, 1}, 0, 0},
      {"fwft_get", "18.2", "PTE_AD_HW_UPDATING", 1, {4}, {SUCCESS | NOT_SUPPORTED, VALUE_AT_MOST, 1}, 0, 0},
      {"fwft_get", "18.2", "POINTER_MASKING_PMLEN", 1, {5}, {SUCCESS | NOT_SUPPORTED, VALUE_AT_MOST, 16}, 0, 0},
      {"fwft_get", "18.2", "6, reserved", 1, {6}, denied, 0, 0},
      {"fwft_get", "18.2", "0x40000000, a platform's", 1, {0x40000000}, denied, 0, 0},
      {"fwft_get", "18.2", "0x80000000, reserved", 1, {0x80000000}, denied, 0, 0},
      {"fwft_get", "18.2", "0xC0000000, a platform's", 1, {0xC0000000}, denied, 0, 0},
      {"fwft_set", "18.1", "6, reserved", 0, {6, 0, 0}, denied, 0, 0},
      {"fwft_set", "18.1", "0xFFFFFFFF, a platform's", 0, {0xFFFFFFFF, 0, 0}, denied, 0, 0},
      {"fwft_set", "18.1", "MISALIGNED_EXC_DELEG, value 2", 0, {0, 2, 0}, refused, 0, 0},
      {"fwft_set", "18.1", "MISALIGNED_EXC_DELEG, flags 2", 0, {0, 0, 2}, refused, 0, 0},
      {"fwft_set", "18.1", "MISALIGNED_EXC_DELEG, 0", 0, {0, 0, 0}, done, 0, 0},
      {"fwft_set", "18.1", "MISALIGNED_EXC_DELEG, 0, LOCK", 0, {0, 0, 1}, done, 0, 0},
      {"fwft_set", "18.1", "MISALIGNED_EXC_DELEG, locked, 1", 0, {0, 1, 0}, locked, 0, 0},
      {"function 2", "3", "none", 2, {0}, not_supported, 0, 0},
  };
  report_probe(&fwft);
  REPORT_CALLS(&fwft, rows);
}

static void mpxy_checks(void) {
  static const struct sbi_extension mpxy = {"MPXY", SBI_MPXY, "rvvmm"};
  static const struct sbi_answer refused = {INVALID_PARAM, ANY_VALUE, 0};
  static const struct sbi_answer elsewhere = {INVALID_ADDRESS | FAILED, ANY_VALUE, 0};
  static const struct sbi_answer no_memory = {NO_SHMEM, ANY_VALUE, 0};
  static const struct sbi_answer no_channel = {NOT_SUPPORTED, ANY_VALUE, 0};
  const struct sbi_row rows[] = {
      {"mpxy_get_shmem_size", "20.5", "none", 0, {0}, {SUCCESS, VALUE_AT_LEAST, 4096}, 0, 0},
      {"mpxy_get_channel_ids", "20.7", "no memory set", 2, {0}, no_memory, 0, 0},
      {"mpxy_read_attributes", "20.8", "no memory set", 3, {0, 0, 1}, {NO_SHMEM | NOT_SUPPORTED, ANY_VALUE, 0}, 0, 0},
      {"mpxy_set_shmem", "20.6", "flags 4", 1, {PAGE, 0, 4}, refused, 0, 0},
      {"mpxy_set_shmem", "20.6", "mode 2, reserved", 1, {PAGE, 0, 2}, refused, 0, 0},
      {"mpxy_set_shmem", "20.6", "not aligned to 4096 bytes", 1, {PAGE + 64, 0, 0}, refused, 0, 0},
      {"mpxy_set_shmem", "20.6", "behind RAM", 1, {RAM_END, 0, 0}, elsewhere, 0, 0},
      {"mpxy_set_shmem", "20.6", "the UART", 1, {UART_BASE, 0, 0}, elsewhere, 0, 0},
      {"mpxy_set_shmem", "20.6", "high word 1", 1, {PAGE, 1, 0}, elsewhere, 0, 0},
      {"mpxy_set_shmem", "20.6", "a page of RAM", 1, {PAGE, 0, 0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"mpxy_get_channel_ids", "20.7", "from 0", 2, {0}, {SUCCESS, VALUE_IS, 0}, 0, 0},
      {"mpxy_get_channel_ids", "20.7", "from 1, where there is none", 2, {1}, refused, 0, 0},
      {"mpxy_read_attributes", "20.8", "no such channel", 3, {7, 0, 1}, no_channel, 0, 0},
      {"mpxy_write_attributes", "20.9", "no such channel", 4, {7, 7, 1}, no_channel, 0, 0},
      {"mpxy_send_message_with_response", "20.10", "no such channel", 5, {7, 0, 0}, no_channel, 0, 0},
      {"mpxy_send_message_without_response", "20.11", "no such channel", 6, {7, 0, 0}, no_channel, 0, 0},
      {"mpxy_get_notification_events", "20.12", "no such channel", 7, {7}, no_channel, 0, 0},
      {"mpxy_set_shmem", "20.6", "off", 1, {-1UL, -1UL, 0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"mpxy_get_channel_ids", "20.7", "memory off", 2, {0}, no_memory, 0, 0},
      {"function 8", "3", "none", 8, {0}, not_supported, 0, 0},
  };
  report_probe(&mpxy);
  REPORT_CALLS(&mpxy, rows);
}

/* Extensions of SBI 3.0 that a guest of KVM has no use for. */
static void other_checks(void) {
  static const struct sbi_extension extensions[] = {
      {"CPPC", SBI_CPPC, "KVM"}, {"NACL", SBI_NACL, "KVM"}, {"SSE", SBI_SSE, "KVM"}, {"DBTR", SBI_DBTR, "KVM"}};
  static const struct sbi_row first[] = {
      {"cppc_probe", "14.1", "register 0", 0, {0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"nacl_probe_feature", "15.5", "feature 0", 0, {0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"sse_read_attrs", "17.6", "event 0", 0, {0, 0, 1, PAGE, 0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"debug_num_triggers", "19.3", "none", 0, {0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
  };
  for (unsigned i = 0; i < sizeof(first) / sizeof(first[0]); ++i) {
    report_probe(&extensions[i]);
    report_call(&extensions[i], &first[i]);
  }
}

int guest_main(unsigned long hart, const void* device_tree);

int guest_main(unsigned long hart, const void* device_tree) {
  (void)device_tree;
  static const struct sbi_extension hsm = {"HSM", SBI_HSM, "KVM"};
  if (hart != 0) return 1;
  base_checks();
  legacy_checks();
  time_checks();
  ipi_checks();
  rfence_checks();
  hsm_checks(&hsm);
  srst_checks();
  pmu_checks();
  dbcn_checks();
  susp_checks();
  other_checks();
  sta_checks();
  fwft_checks();
  mpxy_checks();
  own_checks();
  report_end();
  return 0;
}

/* Performance monitoring: SBI 3.0, ch. 11. KVM has it where the host's CPUs have Sscofpmf. */
#include "sbi_conformance.h"

#define SBI_V2 0x02000000UL
#define SBI_V3 0x03000000UL
#define NO_COUNTER 1000UL
#define FIRMWARE_SET_TIMER 0xF0005UL /* 11.5: type 15, code 5 */
#define TAKE_SNAPSHOT 2UL
#define INIT_SNAPSHOT 2UL

static const struct sbi_extension pmu = {"PMU", SBI_PMU, "KVM"};

static const struct sbi_answer invalid = {INVALID_PARAM, ANY_VALUE, 0};
static const struct sbi_answer done = {SUCCESS, ANY_VALUE, 0};

static void wrong_counters(void) {
  static const struct sbi_row rows[] = {
      {"pmu_num_counters", "11.6", "none", 0, {0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"pmu_counter_get_info", "11.7", "counter 0", 1, {0}, {SUCCESS, ANY_VALUE, 0}, 0, 0},
      {"pmu_counter_get_info", "11.7", "counter 1000", 1, {NO_COUNTER}, invalid, 0, 0},
      {"pmu_counter_get_info", "11.7", "counter -1", 1, {-1UL}, invalid, 0, 0},
      {"pmu_counter_config_matching", "11.8", "counter 1000", 2, {NO_COUNTER, 1, 0, 1, 0}, invalid, 0, 0},
      {"pmu_counter_config_matching", "11.8", "counter 0, no such event", 2, {0, 1, 0, 0xE0000, 0},
       {NOT_SUPPORTED, ANY_VALUE, 0}, 0, 0},
      {"pmu_counter_start", "11.9", "counter 1000", 3, {NO_COUNTER, 1, 0, 0}, invalid, 0, 0},
      {"pmu_counter_start", "11.9", "counter 0 from a snapshot, none set", 3, {0, 1, INIT_SNAPSHOT, 0},
       {NO_SHMEM, ANY_VALUE, 0}, SBI_V2, 0},
      {"pmu_counter_stop", "11.10", "counter 1000", 4, {NO_COUNTER, 1, 0}, invalid, 0, 0},
      {"pmu_counter_stop", "11.10", "counter 0 to a snapshot, none set", 4, {0, 1, TAKE_SNAPSHOT},
       {NO_SHMEM, ANY_VALUE, 0}, SBI_V2, 0},
      {"pmu_counter_fw_read", "11.11", "counter 0, of hardware", 5, {0}, invalid, 0, 0},
      {"pmu_counter_fw_read", "11.11", "counter 1000", 5, {NO_COUNTER}, invalid, 0, 0},
      {"pmu_counter_fw_read_hi", "11.12", "counter 0, of hardware", 6, {0}, invalid, SBI_V2, 0},
      {"pmu_counter_fw_read_hi", "11.12", "counter 1000", 6, {NO_COUNTER}, invalid, SBI_V2, 0},
  };
  REPORT_CALLS(&pmu, rows);
}

static void shared_memory(void) {
  static const struct sbi_answer elsewhere = {INVALID_ADDRESS | FAILED, ANY_VALUE, 0};
  const struct sbi_row rows[] = {
      {"pmu_snapshot_set_shmem", "11.13", "flags 1", 7, {PAGE, 0, 1}, invalid, SBI_V2, 0},
      {"pmu_snapshot_set_shmem", "11.13", "not aligned to 4096 bytes", 7, {PAGE + 64, 0, 0}, invalid, SBI_V2, 0},
      {"pmu_snapshot_set_shmem", "11.13", "behind RAM", 7, {RAM_END, 0, 0}, elsewhere, SBI_V2, 0},
      {"pmu_snapshot_set_shmem", "11.13", "the UART", 7, {UART_BASE, 0, 0}, elsewhere, SBI_V2, 0},
      {"pmu_snapshot_set_shmem", "11.13", "high word 1", 7, {PAGE, 1, 0}, elsewhere, SBI_V2, 0},
      {"pmu_snapshot_set_shmem", "11.13", "a page of RAM", 7, {PAGE, 0, 0}, done, SBI_V2, 0},
      {"pmu_snapshot_set_shmem", "11.13", "off", 7, {-1UL, -1UL, 0}, done, SBI_V2, 0},
      {"pmu_event_get_info", "11.14", "flags 1", 8, {PAGE, 0, 1, 1}, invalid, SBI_V3, 0},
      {"pmu_event_get_info", "11.14", "not aligned to 16 bytes", 8, {PAGE + 8, 0, 1, 0}, invalid, SBI_V3, 0},
      {"pmu_event_get_info", "11.14", "behind RAM", 8, {RAM_END, 0, 1, 0}, elsewhere, SBI_V3, 0},
      {"pmu_event_get_info", "11.14", "a firmware event", 8, {PAGE, 0, 1, 0}, done, SBI_V3, 0},
      {"function 9", "3", "none", 9, {0}, {NOT_SUPPORTED, ANY_VALUE, 0}, 0, 0},
  };
  for (unsigned i = 0; i < 16; ++i) page[i] = 0;
  page[0] = FIRMWARE_SET_TIMER & 0xFF;
  page[2] = FIRMWARE_SET_TIMER >> 16;
  REPORT_CALLS(&pmu, rows);
}

/* One that counts calls of set_timer, through all it can do. */
static void firmware_counter(void) {
  const unsigned long counters = sbi_call3(SBI_PMU, 0, 0, 0, 0).value;
  const unsigned long all = counters >= 64 ? -1UL : (1UL << counters) - 1;
  const struct sbi_row configure = {
      "pmu_counter_config_matching", "11.8", "all counters, firmware event set_timer", 2,
      {0, all, 0, FIRMWARE_SET_TIMER, 0}, done, 0, 0};
  const unsigned long i = report_call(&pmu, &configure).value;
  const struct sbi_row rows[] = {
      {"pmu_counter_start", "11.9", "that counter", 3, {i, 1, 1, 0}, done, 0, 0},
      {"pmu_counter_start", "11.9", "that counter again", 3, {i, 1, 1, 0}, {ALREADY_STARTED, ANY_VALUE, 0}, 0, 0},
      {"pmu_counter_fw_read", "11.11", "that counter, no event yet", 5, {i}, {SUCCESS, VALUE_IS, 0}, 0, 0},
  };
  const struct sbi_row more[] = {
      {"pmu_counter_fw_read", "11.11", "that counter, one event later", 5, {i}, {SUCCESS, VALUE_IS, 1}, 0, 0},
      {"pmu_counter_fw_read_hi", "11.12", "that counter", 6, {i}, {SUCCESS, VALUE_IS, 0}, SBI_V2, 0},
      {"pmu_counter_stop", "11.10", "that counter", 4, {i, 1, 0}, done, 0, 0},
      {"pmu_counter_stop", "11.10", "that counter again", 4, {i, 1, 1}, {ALREADY_STOPPED, ANY_VALUE, 0}, 0, 0},
  };
  REPORT_CALLS(&pmu, rows);
  sbi_call3(SBI_TIME, 0, -1UL, 0, 0);
  REPORT_CALLS(&pmu, more);
}

void pmu_checks(void) {
  report_probe(&pmu);
  wrong_counters();
  firmware_counter();
  shared_memory();
}

/* Hart State Management: SBI 3.0, ch. 9, by whoever answers the extension. */
#include "harts.h"
#include "sbi_conformance.h"

#define HIGH_BIT (1UL << 32)
#define A_MOMENT (TICKS_PER_SECOND / 200)

enum state { STARTED = 0, STOPPED = 1 };
enum command { WAIT, STOP, SUSPEND, WAKE_HART_0 };

/* What hart 1 is started with, and what it saw. */
static struct {
  struct hart_entry entry; /* first: hart 1 gets it as its opaque argument */
  unsigned long eid;
} started, resumed;
static unsigned char stack[4096] __attribute__((aligned(16)));
static volatile unsigned long command;
static volatile int entries;       /* how often hart 1 began */
static volatile int entered_right; /* whether the last of them was as 9.1 or 9.4 says */
static volatile int answered;      /* hart 1's call has returned */
static volatile int sent;          /* hart 1 is about to wake hart 0 */
static struct sbi_ret answer;

static void enter(unsigned long hart, const struct hart_entry* entry, const struct hart_entry* expected,
                  unsigned long satp, unsigned long sstatus) {
  entered_right = hart == 1 && entry == expected && satp == 0 && (sstatus & SSTATUS_SIE) == 0;
  __sync_synchronize();
  ++entries;
}

/* An IPI and not the timer: on a busy host a timer of the guest may stay away (docs/testing.md). */
static void wake_in_a_moment(unsigned long hart) {
  const unsigned long begin = now();
  while (now() - begin < A_MOMENT) {
  }
  sent = 1;
  __sync_synchronize();
  sbi_call3(SBI_IPI, 0, 1UL << hart, 0, 0);
}

static void wait_for_stop(void) {
  for (;;) {
    if (command != STOP) continue;
    command = WAIT;
    CSR_CLEAR(sie, SIP_SSIP);
    answer = sbi_call3(started.eid, 1, 0, 0, 0);
    __sync_synchronize();
    answered = 1; /* it failed */
  }
}

static void hart1_resumed(unsigned long hart, const struct hart_entry* entry, unsigned long satp,
                          unsigned long sstatus) {
  enter(hart, entry, &resumed.entry, satp, sstatus);
  wait_for_stop();
}

static void hart1_started(unsigned long hart, const struct hart_entry* entry, unsigned long satp,
                          unsigned long sstatus) {
  enter(hart, entry, &started.entry, satp, sstatus);
  unsigned long asked;
  while ((asked = command) == WAIT || asked == WAKE_HART_0) {
    if (asked == WAIT) continue;
    command = WAIT;
    wake_in_a_moment(0);
  }
  if (asked == SUSPEND) {
    command = WAIT;
    CSR_SET(sie, SIP_SSIP);
    answer = sbi_call3(started.eid, 3, 0x80000000, address_of(hart_begin), address_of(&resumed));
    __sync_synchronize();
    answered = 1; /* it does not do this kind of suspend */
  }
  wait_for_stop();
}

/* Waits at most two seconds for *number to become `wanted`. */
static int becomes(const volatile int* number, int wanted) {
  const unsigned long begin = now();
  while (*number != wanted)
    if (now() - begin > 2 * TICKS_PER_SECOND) return 0;
  __sync_synchronize();
  return 1;
}

static int becomes_stopped(const struct sbi_extension* hsm) {
  const unsigned long begin = now();
  for (;;) {
    const struct sbi_ret state = sbi_call3(hsm->eid, 2, 1, 0, 0);
    if (state.error == 0 && state.value == STOPPED) return 1;
    if (answered || now() - begin > 2 * TICKS_PER_SECOND) return 0;
  }
}

static void fact(const struct sbi_extension* hsm, const char* function, const char* section, const char* arguments,
                 const char* expected, const char* otherwise, int holds) {
  report_fact(hsm, &(struct sbi_fact){function, section, arguments, expected, holds ? expected : otherwise, holds});
}

static void hart1_stops(const struct sbi_extension* hsm, const char* arguments) {
  answered = 0;
  command = STOP;
  const int stopped = becomes_stopped(hsm);
  fact(hsm, "hart_stop", "9.2", arguments, "does not return, hart 1 is STOPPED",
       answered ? "returns" : "hart 1 is not STOPPED", stopped);
}

static struct sbi_row start_row(const char* arguments, unsigned long hart, unsigned long address, unsigned errors) {
  const struct sbi_row row = {
      "hart_start", "9.1", arguments, 0, {hart, address, address_of(&started)}, {errors, ANY_VALUE, 0}, 0, 0};
  return row;
}

static void refused_starts(const struct sbi_extension* hsm) {
  const unsigned long begin = address_of(hart_begin);
  const struct sbi_row rows[] = {
      start_row("hart 0, which runs", 0, begin, ALREADY_AVAILABLE),
      start_row("hart 2, which is none", 2, begin, INVALID_PARAM),
      start_row("hart -1", -1UL, begin, INVALID_PARAM),
  };
  const struct sbi_row addresses[] = {
      start_row("hart 1, behind RAM", 1, RAM_END, INVALID_ADDRESS),
      start_row("hart 1, the UART", 1, UART_BASE, INVALID_ADDRESS),
      start_row("hart 1, an odd address", 1, begin + 1, INVALID_ADDRESS),
      start_row("hart 1, address -2", 1, -2UL, INVALID_ADDRESS),
  };
  REPORT_CALLS(hsm, rows);
  if (hsm->answered_by[0] == 'r') REPORT_CALLS(hsm, addresses);
}

static void status_row(const struct sbi_extension* hsm, const char* arguments, unsigned long hart, unsigned errors,
                       unsigned long state) {
  const struct sbi_row row = {"hart_get_status", "9.3", arguments, 2, {hart}, {errors, VALUE_IS, state}, 0, 0};
  report_call(hsm, &row);
}

static void refused_suspends(const struct sbi_extension* hsm) {
  static const struct sbi_answer refused = {INVALID_PARAM, ANY_VALUE, 0};
  static const struct sbi_row rows[] = {
      {"hart_suspend", "9.4", "type 1, reserved", 3, {1, RAM_BASE, 0}, refused, 0, 0},
      {"hart_suspend", "9.4", "type 0x0FFFFFFF, reserved", 3, {0x0FFFFFFF, RAM_BASE, 0}, refused, 0, 0},
      {"hart_suspend", "9.4", "type 0x10000000, a platform's", 3, {0x10000000, RAM_BASE, 0}, refused, 0, 0},
      {"hart_suspend", "9.4", "type 0x80000001, reserved", 3, {0x80000001, RAM_BASE, 0}, refused, 0, 0},
      {"hart_suspend", "9.4", "type 0x90000000, a platform's", 3, {0x90000000, RAM_BASE, 0}, refused, 0, 0},
      {"hart_suspend", "9.4", "type 0x80000000, to resume behind RAM", 3, {0x80000000, RAM_END, 0},
       {INVALID_ADDRESS | NOT_SUPPORTED, ANY_VALUE, 0}, 0, 0},
      {"function 4", "3", "none", 4, {0}, {NOT_SUPPORTED, ANY_VALUE, 0}, 0, 0},
  };
  REPORT_CALLS(hsm, rows);
}

static void start_again(const struct sbi_extension* hsm) {
  const struct sbi_row row = start_row("hart 1, again", 1, address_of(hart_begin), SUCCESS);
  report_call(hsm, &row);
  const int began = becomes(&entries, 1);
  fact(hsm, "hart_start", "9.1", "hart 1, again, at its address", "begins", "does not begin", began);
}

/* Hart 0, woken by hart 1. */
static void retentive_suspend(const struct sbi_extension* hsm) {
  static const struct sbi_row row = {
      "hart_suspend", "9.4", "type 0, woken by an IPI", 3, {0, 0, 0}, {SUCCESS, ANY_VALUE, 0}, 0, 0};
  if (entries != 1) return; /* nobody would wake it; the fact before this says so */
  sent = 0;
  command = WAKE_HART_0;
  CSR_SET(sie, SIP_SSIP);
  report_call(hsm, &row);
  /* The kernel's is a wfi, which may end at any time. */
  if (hsm->answered_by[0] == 'r')
    fact(hsm, "hart_suspend", "9.4", "type 0, when it returns", "after the interrupt", "before the interrupt", sent);
  const int arrived = becomes(&sent, 1);
  const unsigned long begin = now();
  while (arrived && (CSR_READ(sip) & SIP_SSIP) == 0 && now() - begin < TICKS_PER_SECOND) {
  }
  CSR_CLEAR(sie, SIP_SSIP);
  CSR_CLEAR(sip, SIP_SSIP);
}

/* Hart 1, woken by hart 0, to a new entry; or not at all. */
static void nonretentive_suspend(const struct sbi_extension* hsm) {
  answered = 0;
  command = SUSPEND;
  wake_in_a_moment(1);
  const unsigned long begin = now();
  while (entries == 1 && !answered && now() - begin < 2 * TICKS_PER_SECOND) {
  }
  __sync_synchronize();
  const int refused = answered && answer.error == -2;
  const int right = entries == 2 && entered_right;
  report_fact(hsm, &(struct sbi_fact){
                       "hart_suspend", "9.4", "type 0x80000000, hart 1, woken by an IPI",
                       "resumes with its id, opaque, satp 0, SIE 0; or NOT_SUPPORTED",
                       right ? "resumes with its id, opaque, satp 0, SIE 0" : refused ? "NOT_SUPPORTED" : "another",
                       right || refused});
  hart1_stops(hsm, "hart 1, by itself, behind that");
}

void hsm_checks(const struct sbi_extension* hsm) {
  started.entry.stack_top = resumed.entry.stack_top = address_of(stack + sizeof(stack));
  started.entry.run = hart1_started;
  resumed.entry.run = hart1_resumed;
  started.eid = hsm->eid;
  entries = 0;
  command = WAIT;
  report_probe(hsm);
  status_row(hsm, "hart 0, which runs: STARTED", 0, SUCCESS, STARTED);
  status_row(hsm, "hart 1, never started: STOPPED", 1, SUCCESS, STOPPED);
  status_row(hsm, "hart 2, which is none", 2, INVALID_PARAM, 0);
  status_row(hsm, "hart -1", -1UL, INVALID_PARAM, 0);
  status_row(hsm, "hart 2^32, which is none", HIGH_BIT, INVALID_PARAM, 0);
  refused_starts(hsm);
  const struct sbi_row start = start_row("hart 1", 1, address_of(hart_begin), SUCCESS);
  report_call(hsm, &start);
  const int began = becomes(&entries, 1);
  fact(hsm, "hart_start", "9.1", "registers of hart 1", "its id, opaque, satp 0, SIE 0", began ? "others" : "no start",
       began && entered_right);
  status_row(hsm, "hart 1, started: STARTED", 1, SUCCESS, STARTED);
  const struct sbi_row again = start_row("hart 1, which runs", 1, address_of(hart_begin), ALREADY_AVAILABLE);
  report_call(hsm, &again);
  /* Only now: who takes the low half for the id would have started hart 1. */
  const struct sbi_row high =
      start_row("hart 2^32 + 1, which is none", HIGH_BIT | 1, address_of(hart_begin), INVALID_PARAM);
  report_call(hsm, &high);
  hart1_stops(hsm, "hart 1, by itself");
  refused_suspends(hsm);
  entries = 0;
  start_again(hsm);
  retentive_suspend(hsm);
  nonretentive_suspend(hsm);
}

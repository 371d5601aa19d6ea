/* What ends a sleep of the machine (SBI's system suspend) from inside: interrupts that are enabled in sie, the timer
 * among them; and what does not. The test outside wakes it where a line says that it waits. */
#include "line.h"
#include "sbi.h"

#define NEVER (-1UL)
#define MOMENT (TICKS_PER_SECOND / 4)

long suspend_machine(void);

static void say(const char* text) {
  line_text(text);
  line_end();
}

static void set_timer(unsigned long at) {
  sbi_call3(SBI_TIME, 0, at, 0, 0);
}

/* With these interrupts enabled; when it returns they are again. */
static long sleep_with(unsigned long enabled) {
  CSR_CLEAR(sie, -1UL);
  CSR_SET(sie, enabled);
  const long error = suspend_machine();
  CSR_SET(sie, enabled);
  return error;
}

static int pending(unsigned long interrupt) {
  return (CSR_READ(sip) & interrupt) != 0;
}

static int timer_in_the_future(void) {
  const unsigned long deadline = now() + MOMENT;
  set_timer(deadline);
  if (sleep_with(SIP_STIP) != 0) return 1;
  if (now() < deadline) return 2;
  if (!pending(SIP_STIP)) return 3;
  return 0;
}

static int timer_that_is_pending(void) {
  set_timer(now());
  while (!pending(SIP_STIP)) {
  }
  if (sleep_with(SIP_STIP) != 0) return 1;
  return pending(SIP_STIP) ? 0 : 2;
}

static int software_interrupt_that_is_pending(void) {
  set_timer(NEVER);
  sbi_call3(SBI_IPI, 0, 1, 0, 0);
  while (!pending(SIP_SSIP)) {
  }
  if (sleep_with(SIP_SSIP) != 0) return 1;
  if (!pending(SIP_SSIP)) return 2;
  CSR_CLEAR(sip, SIP_SSIP);
  return 0;
}

/* Till somebody outside wakes it, some moments later. */
static int sleeps_on(const char* line, unsigned long timer, unsigned long enabled) {
  set_timer(timer);
  const unsigned long begin = now();
  say(line);
  if (sleep_with(enabled) != 0) return 1;
  return now() - begin >= 2 * MOMENT ? 0 : 2;
}

static int failed(int check, int step) {
  return step == 0 ? 0 : check + step;
}

int guest_main(void);

int guest_main(void) {
  int status = failed(0, timer_in_the_future());
  if (status == 0) status = failed(10, timer_that_is_pending());
  if (status == 0) status = failed(20, software_interrupt_that_is_pending());
  if (status == 0) status = failed(30, sleeps_on("guest: no timer", NEVER, SIP_STIP));
  if (status == 0) status = failed(34, sleeps_on("guest: a timer in 50,000 years", NEVER - 1000, SIP_STIP));
  if (status == 0) status = failed(38, sleeps_on("guest: a timer that is not enabled", now() + MOMENT, SIP_SSIP));
  /* That one is kept. */
  CSR_SET(sie, SIP_STIP);
  if (status == 0 && !pending(SIP_STIP)) status = 42;
  return status;
}

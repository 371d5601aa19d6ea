/* Hart State Management by two at once: rvvmm's own, and the kernel's. What either does to a hart, both see; and many
 * harts at once lose nothing. Call by call the two are looked at in sbi_hsm.c. Needs three harts or more. */
#include "harts.h"
#include "sbi.h"

#define OWN_HSM 0x0848534DUL
#define MAX_HARTS 8
#define RACES 100
#define ALREADY_AVAILABLE (-6)

#ifndef STORM_SECONDS
#define STORM_SECONDS 3
#endif

enum function { HART_START, HART_STOP, HART_GET_STATUS, HART_SUSPEND };
enum state { STARTED, STOPPED, START_PENDING, STOP_PENDING, SUSPENDED, SUSPEND_PENDING, RESUME_PENDING };
#define RETENTIVE 0UL
#define NON_RETENTIVE 0x80000000UL

/* What a hart is asked to do. */
enum command { NOTHING, STOP, SUSPEND, SUSPEND_TO_ENTRY, START_HART_1 };

struct hart {
  struct hart_entry entry;
  unsigned char stack[2048] __attribute__((aligned(16)));
  volatile unsigned long eid; /* by which it obeys */
  volatile unsigned long command;
  volatile unsigned long entries;
  volatile unsigned long answers; /* counts what it has obeyed and lived to tell */
  volatile unsigned long elapsed;
  struct sbi_ret answer;
};
static struct hart harts[MAX_HARTS];
static unsigned long count;
static volatile unsigned long wrong_entries;
static volatile unsigned long storm_is_over;
static volatile unsigned long starts_won;
static unsigned long page_table[512] __attribute__((aligned(4096)));

static struct sbi_ret hsm(unsigned long eid, enum function function, unsigned long a0, unsigned long a1,
                          unsigned long a2) {
  return sbi_call3(eid, function, a0, a1, a2);
}

static long start(unsigned long eid, unsigned long hart) {
  return hsm(eid, HART_START, hart, address_of(hart_begin), address_of(&harts[hart])).error;
}

static void send_ipi(unsigned long hart) {
  sbi_call3(SBI_IPI, 0, 1UL << hart, 0, 0);
}

static int seconds_since(unsigned long begin, unsigned long seconds) {
  return now() - begin > seconds * TICKS_PER_SECOND;
}

static int becomes(const volatile unsigned long* number, unsigned long wanted) {
  const unsigned long begin = now();
  while (*number != wanted)
    if (seconds_since(begin, 10)) return 0;
  __sync_synchronize();
  return 1;
}

static int is_in_state(unsigned long eid, unsigned long hart, enum state wanted) {
  const unsigned long begin = now();
  for (;;) {
    const struct sbi_ret seen = hsm(eid, HART_GET_STATUS, hart, 0, 0);
    if (seen.error == 0 && seen.value == (unsigned long)wanted) return 1;
    if (seconds_since(begin, 10)) return 0;
  }
}

static int both_see(unsigned long hart, enum state wanted) {
  return is_in_state(OWN_HSM, hart, wanted) && is_in_state(SBI_HSM, hart, wanted);
}

static void command_hart(unsigned long hart, unsigned long eid, enum command command) {
  harts[hart].eid = eid;
  __sync_synchronize();
  harts[hart].command = command;
}

/* One page table for all: the first 4 GiB mapped to themselves. */
static void paging_on(void) {
  for (unsigned long i = 0; i < 4; ++i) page_table[i] = i << 28 | 0xCF;
  const unsigned long satp = 8UL << 60 | address_of(page_table) >> 12;
  __asm__ __volatile__("sfence.vma\n csrw satp, %0\n sfence.vma" : : "r"(satp) : "memory");
}

static void obey(struct hart* self) {
  const enum command command = (enum command)self->command;
  if (command == NOTHING) return;
  self->command = NOTHING;
  switch (command) {
    case NOTHING: break;
    case STOP: self->answer = hsm(self->eid, HART_STOP, 0, 0, 0); break;
    case SUSPEND:
      CSR_SET(sie, SIP_SSIP);
      self->answer = hsm(self->eid, HART_SUSPEND, RETENTIVE, 0, 0);
      /* The interrupt that woke it is still there, and was not taken. */
      if ((CSR_READ(sip) & SIP_SSIP) == 0) __sync_fetch_and_add(&wrong_entries, 1);
      CSR_CLEAR(sip, SIP_SSIP);
      break;
    case SUSPEND_TO_ENTRY:
      paging_on();
      CSR_SET(sie, SIP_SSIP);
      self->answer = hsm(self->eid, HART_SUSPEND, NON_RETENTIVE, address_of(hart_begin), address_of(self));
      break;
    case START_HART_1:
      self->answer.error = start(self->eid, 1);
      if (self->answer.error == 0) __sync_fetch_and_add(&starts_won, 1);
      break;
  }
  __sync_synchronize();
  ++self->answers;
}

static void run_hart(unsigned long id, const struct hart_entry* entry, unsigned long satp, unsigned long sstatus) {
  struct hart* const self = &harts[id];
  if (entry != &self->entry || satp != 0 || (sstatus & SSTATUS_SIE) != 0) __sync_fetch_and_add(&wrong_entries, 1);
  CSR_CLEAR(sip, SIP_SSIP);
  __sync_synchronize();
  ++self->entries;
  for (;;) obey(self);
}

/* Starts a hart and waits until it has begun. */
static int begins(unsigned long eid, unsigned long hart) {
  const unsigned long entries = harts[hart].entries;
  return start(eid, hart) == 0 && becomes(&harts[hart].entries, entries + 1);
}

/* Either HSM starts hart 1, and either stops it: both know. */
static int start_and_stop(unsigned long starter, unsigned long stopper) {
  if (!both_see(1, STOPPED)) return 1;
  if (!begins(starter, 1)) return 2;
  if (!both_see(1, STARTED)) return 4;
  if (start(OWN_HSM, 1) != ALREADY_AVAILABLE || start(SBI_HSM, 1) != ALREADY_AVAILABLE) return 5;
  command_hart(1, stopper, STOP);
  if (!both_see(1, STOPPED)) return 6;
  return 0;
}

/* Hart 1 runs at first, and at the end. */
static int suspend(enum command how) {
  const unsigned long entries = harts[1].entries;
  const unsigned long answers = harts[1].answers;
  command_hart(1, OWN_HSM, how);
  if (!both_see(1, SUSPENDED)) return 1;
  if (start(OWN_HSM, 1) != ALREADY_AVAILABLE || start(SBI_HSM, 1) != ALREADY_AVAILABLE) return 2;
  const unsigned long begin = now();
  while (!seconds_since(begin, 1) && now() - begin < TICKS_PER_SECOND / 20) {
  }
  if (!both_see(1, SUSPENDED)) return 3;
  if (harts[1].answers != answers || harts[1].entries != entries) return 4;
  send_ipi(1);
  if (how == SUSPEND && (!becomes(&harts[1].answers, answers + 1) || harts[1].answer.error != 0)) return 5;
  if (how == SUSPEND_TO_ENTRY && !becomes(&harts[1].entries, entries + 1)) return 6;
  if (!both_see(1, STARTED)) return 7;
  return 0;
}

/* An interrupt that is pending already, and not enabled in sstatus: no sleep. */
static int suspend_with_interrupt_pending(void) {
  CSR_SET(sie, SIP_SSIP);
  send_ipi(0);
  while ((CSR_READ(sip) & SIP_SSIP) == 0) {
  }
  const long error = hsm(OWN_HSM, HART_SUSPEND, RETENTIVE, 0, 0).error;
  CSR_CLEAR(sip, SIP_SSIP);
  CSR_CLEAR(sie, SIP_SSIP);
  return error != 0;
}

/* Harts 0 and 2 start hart 1: one of them does. */
static int start_against_start(void) {
  if (!begins(OWN_HSM, 2)) return 1;
  for (unsigned long i = 0; i < RACES; ++i) {
    const unsigned long entries = harts[1].entries;
    const unsigned long answers = harts[2].answers;
    starts_won = 0;
    command_hart(2, OWN_HSM, START_HART_1);
    for (unsigned long wait = 0; wait < i % 64; ++wait) __asm__ __volatile__("nop");
    const long error = start(OWN_HSM, 1);
    if (error != 0 && error != ALREADY_AVAILABLE) return 2;
    if (!becomes(&harts[2].answers, answers + 1)) return 3;
    if (harts[2].answer.error != 0 && harts[2].answer.error != ALREADY_AVAILABLE) return 4;
    if (starts_won + (error == 0) != 1) return 5;
    if (!becomes(&harts[1].entries, entries + 1)) return 6;
    command_hart(1, OWN_HSM, STOP);
    if (!is_in_state(OWN_HSM, 1, STOPPED)) return 7;
  }
  command_hart(2, OWN_HSM, STOP);
  return !both_see(2, STOPPED);
}

/* Hart 0 starts hart 1 while that stops: too early, or it begins anew; never both, never neither. */
static int start_against_stop(void) {
  if (!begins(OWN_HSM, 1)) return 1;
  for (unsigned long i = 0; i < RACES; ++i) {
    const unsigned long entries = harts[1].entries;
    const unsigned long begin = now();
    command_hart(1, OWN_HSM, STOP);
    long error;
    do {
      error = start(OWN_HSM, 1);
      if (error != 0 && error != ALREADY_AVAILABLE) return 2;
      if (seconds_since(begin, 10)) return 3;
    } while (error != 0);
    if (!becomes(&harts[1].entries, entries + 1)) return 4;
    if (harts[1].command != NOTHING) return 5;
  }
  command_hart(1, OWN_HSM, STOP);
  return !both_see(1, STOPPED);
}

/* The storm: each hart does what comes to it, till it stops. Only one that won a start may begin. */
static unsigned long next_random(unsigned long* state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static volatile unsigned long storm_starts, storm_entries, storm_suspends, storm_asked;

static int answer_of_start_is_right(long error) {
  if (error == 0) __sync_fetch_and_add(&storm_starts, 1);
  return error == 0 || error == ALREADY_AVAILABLE;
}

/* One thing at random; false where an answer is none that there is. */
static int storm_step(unsigned long self, unsigned long random) {
  const unsigned long other = random / 16 % count;
  switch (random % 4) {
    case 0: return answer_of_start_is_right(other == 0 ? ALREADY_AVAILABLE : start(OWN_HSM, other));
    case 1: {
      const struct sbi_ret state = hsm(random & 8 ? SBI_HSM : OWN_HSM, HART_GET_STATUS, other, 0, 0);
      __sync_fetch_and_add(&storm_asked, 1);
      return state.error == 0 && state.value <= RESUME_PENDING && (other != self || state.value == STARTED);
    }
    case 2: send_ipi(other); return 1;
    default: {
      /* Hart 0 wakes the others, by IPI: a busy emulated host has been seen to lose a timer. */
      if (self == 0) return 1;
      sbi_call3(SBI_TIME, 0, now() + TICKS_PER_SECOND / 10000, 0, 0);
      CSR_SET(sie, SIP_STIP | SIP_SSIP);
      const long error = hsm(OWN_HSM, HART_SUSPEND, RETENTIVE, 0, 0).error;
      CSR_CLEAR(sie, SIP_STIP | SIP_SSIP);
      CSR_CLEAR(sip, SIP_SSIP);
      __sync_fetch_and_add(&storm_suspends, 1);
      return error == 0;
    }
  }
}

static void run_in_storm(unsigned long id, const struct hart_entry* entry, unsigned long satp, unsigned long sstatus) {
  if (entry != &harts[id].entry || satp != 0 || (sstatus & SSTATUS_SIE) != 0) __sync_fetch_and_add(&wrong_entries, 1);
  __sync_fetch_and_add(&storm_entries, 1);
  unsigned long random = now() * 2654435761UL + id + 1;
  unsigned long steps = next_random(&random) % 16;
  while (steps-- > 0 && !storm_is_over)
    if (!storm_step(id, next_random(&random))) __sync_fetch_and_add(&wrong_entries, 1);
  hsm(OWN_HSM, HART_STOP, 0, 0, 0);
  __sync_fetch_and_add(&wrong_entries, 1);
}

static int storm(void) {
  for (unsigned long i = 1; i < count; ++i) harts[i].entry.run = run_in_storm;
  unsigned long random = 88172645463325252UL;
  const unsigned long begin = now();
  while (!seconds_since(begin, STORM_SECONDS)) {
    const unsigned long hart = 1 + next_random(&random) % (count - 1);
    if (!answer_of_start_is_right(start(OWN_HSM, hart))) return 1;
    if (!storm_step(0, next_random(&random))) return 2;
  }
  storm_is_over = 1;
  for (unsigned long i = 1; i < count; ++i) {
    const unsigned long asked = now();
    while (hsm(OWN_HSM, HART_GET_STATUS, i, 0, 0).value != STOPPED) {
      if (seconds_since(asked, 10)) return 3;
      send_ipi(i);
    }
    /* One of the others may have started it since: then it stops again, soon. */
    if (!both_see(i, STOPPED)) return 4;
  }
  if (storm_entries != storm_starts) return 5;
  if (storm_entries < 20 || storm_suspends < 20 || storm_asked < 20) return 6;
  return 0;
}

static int failed(int check, int step) {
  return step == 0 ? 0 : check + step;
}

int guest_main(unsigned long hart, const void* device_tree);

int guest_main(unsigned long hart, const void* device_tree) {
  (void)device_tree;
  if (hart != 0) return 1;
  while (count < MAX_HARTS && hsm(OWN_HSM, HART_GET_STATUS, count, 0, 0).error == 0) ++count;
  if (count < 3) return 2;
  for (unsigned long i = 0; i < count; ++i) {
    harts[i].entry.stack_top = address_of(harts[i].stack + sizeof(harts[i].stack));
    harts[i].entry.run = run_hart;
    if (!both_see(i, i == 0 ? STARTED : STOPPED)) return 3;
  }
  int status = failed(3, start_and_stop(OWN_HSM, OWN_HSM));
  if (status == 0) status = failed(9, start_and_stop(SBI_HSM, OWN_HSM));
  if (status == 0) status = failed(15, start_and_stop(OWN_HSM, SBI_HSM));
  if (status == 0 && !begins(OWN_HSM, 1)) status = 22;
  if (status == 0) status = failed(22, suspend(SUSPEND));
  if (status == 0) status = failed(29, suspend(SUSPEND_TO_ENTRY));
  if (status == 0) status = failed(36, suspend_with_interrupt_pending());
  if (status == 0) {
    command_hart(1, OWN_HSM, STOP);
    status = both_see(1, STOPPED) ? 0 : 38;
  }
  if (status == 0) status = failed(38, start_against_start());
  if (status == 0) status = failed(46, start_against_stop());
  if (status == 0) status = failed(51, storm());
  if (status == 0 && wrong_entries != 0) status = 58;
  return status;
}

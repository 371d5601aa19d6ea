/* Harts that leave scounteren alone, as Linux up to 6.12 does: each finds it readable soon after its start, also after
 * another one that nobody outside has seen, and once the kernel's HSM has suspended it (a retentive suspend), only an
 * interrupt ends that. With FOREVER all harts sleep behind the first part, for good. Needs two harts or more. */
#include "harts.h"
#include "line.h"
#include "sbi.h"

#define MAX_HARTS 8
#define RESTARTS 5
#define QUIET_SECONDS 2

enum function { HART_START, HART_STOP, HART_GET_STATUS, HART_SUSPEND };
enum state { STARTED, STOPPED };

struct hart {
  struct hart_entry entry;
  unsigned char stack[2048] __attribute__((aligned(16)));
  volatile unsigned long settled; /* counts starts after which scounteren became readable */
  volatile unsigned long returns; /* from the suspend */
  volatile unsigned long stops;   /* set: stop instead of another suspend */
};
static struct hart harts[MAX_HARTS];
static unsigned long count;

static int becomes(const volatile unsigned long* number, unsigned long wanted) {
  const unsigned long begin = now();
  while (*number != wanted)
    if (now() - begin > 10 * TICKS_PER_SECOND) return 0;
  __sync_synchronize();
  return 1;
}

static void run_hart(unsigned long id, const struct hart_entry* entry, unsigned long satp, unsigned long sstatus) {
  (void)entry, (void)satp, (void)sstatus;
  struct hart* const self = &harts[id];
  while ((CSR_READ(scounteren) & 2) == 0) {
  }
  ++self->settled;
  CSR_SET(sie, SIP_SSIP);
  while (!self->stops) {
    sbi_call3(SBI_HSM, HART_SUSPEND, 0, 0, 0);
    CSR_CLEAR(sip, SIP_SSIP);
    ++self->returns;
  }
  sbi_call3(SBI_HSM, HART_STOP, 0, 0, 0);
}

static int start(unsigned long hart) {
  const unsigned long settled = harts[hart].settled;
  harts[hart].stops = 0;
  return sbi_call3(SBI_HSM, HART_START, hart, address_of(hart_begin), address_of(&harts[hart])).error == 0 &&
         becomes(&harts[hart].settled, settled + 1);
}

/* Wakes it to stop, and starts it at once. */
static int restart(unsigned long hart) {
  harts[hart].stops = 1;
  __sync_synchronize();
  sbi_call3(SBI_IPI, 0, 1UL << hart, 0, 0);
  const unsigned long begin = now();
  while (sbi_call3(SBI_HSM, HART_GET_STATUS, hart, 0, 0).value != STOPPED)
    if (now() - begin > 10 * TICKS_PER_SECOND) return 0;
  return start(hart);
}

static void say(const char* text) {
  line_text(text);
  line_end();
}

int guest_main(unsigned long hart, const void* device_tree);

int guest_main(unsigned long hart, const void* device_tree) {
  (void)hart, (void)device_tree;
  while (count < MAX_HARTS && sbi_call3(SBI_HSM, HART_GET_STATUS, count, 0, 0).error == 0)
    ++count;
  if (count < 2) return 1;
  for (unsigned long i = 1; i < count; ++i) {
    harts[i].entry.stack_top = address_of(harts[i].stack + sizeof(harts[i].stack));
    harts[i].entry.run = run_hart;
    if (!start(i)) return 2;
  }
  for (int i = 0; i < RESTARTS; ++i)
    if (!restart(1)) return 3;
  unsigned long before[MAX_HARTS];
  for (unsigned long i = 1; i < count; ++i)
    before[i] = harts[i].returns;
  say("guest: all sleep");
#ifdef FOREVER
  for (;;)
    __asm__ __volatile__("wfi");
#endif
  const unsigned long begin = now();
  while (now() - begin < QUIET_SECONDS * TICKS_PER_SECOND) {
  }
  for (unsigned long i = 1; i < count; ++i) {
    if (harts[i].returns == before[i]) continue;
    line_text("guest: returns without a cause: ");
    line_number(harts[i].returns - before[i]);
    line_end();
    return 4;
  }
  for (unsigned long i = 1; i < count; ++i) {
    sbi_call3(SBI_IPI, 0, 1UL << i, 0, 0);
    if (!becomes(&harts[i].returns, before[i] + 1)) return 5;
  }
  return 0;
}

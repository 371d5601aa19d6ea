/* Boots, has each hart woken by another one again and again, and resets in the middle of it, for ever. Each boot is a
 * dot on the console. */
#include "harts.h"
#include "sbi.h"

#define MAX_HARTS 8
#define COLD_REBOOT 1UL
#define WARM_REBOOT 2UL
#define LONGEST_RUN (TICKS_PER_SECOND / 500)

struct hart {
  struct hart_entry entry;
  unsigned char stack[1024] __attribute__((aligned(16)));
};
static struct hart harts[MAX_HARTS];
static unsigned long count;
static volatile unsigned long running;

static void wake(unsigned long hart) {
  sbi_call3(SBI_IPI, 0, 1UL << hart, 0, 0);
}

static void run_hart(unsigned long hart, const struct hart_entry* entry, unsigned long satp, unsigned long sstatus) {
  (void)entry;
  (void)satp;
  (void)sstatus;
  CSR_SET(sie, SIP_SSIP);
  __sync_fetch_and_add(&running, 1);
  for (;;) {
    __asm__ __volatile__("wfi");
    CSR_CLEAR(sip, SIP_SSIP);
    wake(hart + 1 < count ? hart + 1 : 1);
  }
}

static void start_others(void) {
  for (count = 1; count < MAX_HARTS; ++count) {
    struct hart* const hart = &harts[count];
    hart->entry.stack_top = address_of(hart->stack + sizeof(hart->stack));
    hart->entry.run = run_hart;
    if (sbi_call3(SBI_HSM, 0, count, address_of(hart_begin), address_of(hart)).error != 0) return;
  }
}

unsigned long guest_main(unsigned long hart, const void* device_tree);
unsigned long guest_main(unsigned long hart, const void* device_tree) {
  (void)hart;
  (void)device_tree;
  sbi_call3(SBI_DBCN, 2, '.', 0, 0);
  start_others();
  const unsigned long begin = now();
  while (running != count - 1)
    if (now() - begin > 10 * TICKS_PER_SECOND) return 1;
  if (count > 1) wake(1);
  /* The clock's low bits are all the chance that there is: RAM is as at the first boot. */
  const unsigned long chance = now();
  while (now() - chance < chance % LONGEST_RUN) {
  }
  sbi_call3(SBI_SRST, 0, chance & 1 ? COLD_REBOOT : WARM_REBOOT, 0, 0);
  return 2;
}

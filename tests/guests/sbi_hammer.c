/* Hart 0 calls rvvmm without a pause, for ever: the debug console, hypercalls, batches of the largest size. Another
   hart counts the tenths of a second, a digit on the UART for each, and sends what comes in back with its case
   changed. */
#include <rvvmm/hypercall.h>

#include "harts.h"
#include "sbi.h"

#define UART_DATA 0
#define UART_LSR 5
#define LSR_DATA_READY 0x01
#define LSR_THR_EMPTY 0x20

static struct rvvmm_batch_entry batch[RVVMM_BATCH_MAX_ENTRIES];
static const char dots[] = "...............................................................\n";
static unsigned char stack[4096] __attribute__((aligned(16)));
static struct hart_entry counter;

static volatile unsigned char* uart(unsigned long offset) {
  return (volatile unsigned char*)(UART_BASE + offset);
}

static void put(unsigned char byte) {
  while ((*uart(UART_LSR) & LSR_THR_EMPTY) == 0) {
  }
  *uart(UART_DATA) = byte;
}

static void count(unsigned long hart, const struct hart_entry* entry, unsigned long satp, unsigned long sstatus) {
  (void)hart, (void)entry, (void)satp, (void)sstatus;
  for (unsigned char digit = 0;; digit = (unsigned char)((digit + 1) % 10)) {
    const unsigned long begin = now();
    put((unsigned char)('0' + digit));
    while (now() - begin < TICKS_PER_SECOND / 10)
      if ((*uart(UART_LSR) & LSR_DATA_READY) != 0) put(*uart(UART_DATA) ^ 0x20);
  }
}

int guest_main(unsigned long hart, const void* device_tree);

int guest_main(unsigned long hart, const void* device_tree) {
  (void)hart, (void)device_tree;
  for (unsigned i = 0; i < RVVMM_BATCH_MAX_ENTRIES; ++i) {
    batch[i].eid = RVVMM_HYPERCALL_EID;
    batch[i].fid = RVVMM_HC_WALL_CLOCK;
  }
  counter.stack_top = address_of(stack + sizeof(stack));
  counter.run = count;
  sbi_call3(SBI_HSM, 0, 1, address_of(hart_begin), address_of(&counter));
  for (unsigned long i = 0;; ++i) {
    if (i % 256 == 0 && sbi_call3(SBI_DBCN, 0, sizeof(dots) - 1, address_of(dots), 0).error != 0) return 1;
    if (sbi_call3(RVVMM_HYPERCALL_EID, RVVMM_HC_VERSION, 0, 0, 0).error != 0) return 2;
    if (sbi_call3(SBI_DBCN, 1, 0, address_of(batch), 0).error != 0) return 3;
    if (i % 16 == 0 && rvvmm_hypercall(RVVMM_HC_BATCH, RVVMM_BATCH_MAX_ENTRIES, address_of(batch), 0, 0).error != 0)
      return 4;
  }
}

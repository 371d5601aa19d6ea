/* Writes by every way to the console, lets half a second pass, says so by a line in rvvmm's log, and spins: whoever kills rvvmm
   upon that line has to find all of it. */
#include "console_ways.h"

static char block[4096];

static void log_line(const char* line, unsigned long length) {
  rvvmm_hypercall(RVVMM_HC_LOG, RVVMM_LOG_WARN, length, address_of(line), 0);
}

#define LOG(line) log_line(line, sizeof(line) - 1)
#define LENGTH(text) (sizeof(text) - 1)

int guest_main(void) {
  static const char uart[] = "uart|";
  static const char dbcn[] = "dbcn write|";
  static const char bytes[] = "dbcn bytes|";
  static const char batch[] = "batch, and no newline";
  for (unsigned long i = 0; i < sizeof(block); ++i) block[i] = 'x';
  LOG("the first line, which has the log made");
  by_uart(uart, LENGTH(uart));
  by_dbcn(dbcn, LENGTH(dbcn), LENGTH(dbcn));
  by_dbcn(block, sizeof(block), sizeof(block));
  by_dbcn_bytes(bytes, LENGTH(bytes));
  by_batch(batch, LENGTH(batch));
  spin_ms(500); /* far more than the 5 ms that rvvmm promises: the emulated host may be busy */
  LOG("half a second has passed");
  for (;;) {
  }
}

/* 16 KiB by each way to the console, with rest before and behind: whoever looks at rvvmm's counters in the rest has
   what they cost. Each begins with a line of its name, ends with a full stop, and tells how long it took. */
#include "console_ways.h"
#include "line.h"

#define REST_MS 300

static char text[16384];

static void all_by_uart(void) {
  by_uart(text, sizeof(text));
}
static void all_by_dbcn_bytes(void) {
  by_dbcn_bytes(text, sizeof(text));
}
static void all_by_dbcn_64(void) {
  by_dbcn(text, sizeof(text), 64);
}
static void all_by_dbcn_4096(void) {
  by_dbcn(text, sizeof(text), 4096);
}

static void measured(const char* name, void (*write_all)(void)) {
  line_text("guest: ");
  line_text(name);
  line_end();
  spin_ms(REST_MS);
  const unsigned long start = now();
  write_all();
  const unsigned long ticks = now() - start;
  spin_ms(REST_MS);
  line_text(" ticks ");
  line_number(ticks);
  line_end();
}

int guest_main(void) {
  for (unsigned long i = 0; i < sizeof(text) - 1; ++i) text[i] = 'x';
  text[sizeof(text) - 1] = '.';
  measured("UART, byte by byte", all_by_uart);
  measured("DBCN, byte by byte", all_by_dbcn_bytes);
  measured("DBCN, 64 bytes a call", all_by_dbcn_64);
  measured("DBCN, 4 KiB a call", all_by_dbcn_4096);
  return 0;
}

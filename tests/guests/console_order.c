/* Writes numbered lines of eight bytes, piece by piece and each piece by another way to the console, so that one that is
   lost, doubled or late shows. */
#include "console_ways.h"

#define LINES 32768UL
#define LINE_BYTES 8UL

static char text[LINES * LINE_BYTES];

static void number_lines(void) {
  for (unsigned long line = 0; line < LINES; ++line) {
    char* const at = text + line * LINE_BYTES;
    for (unsigned long digit = 0; digit < LINE_BYTES - 1; ++digit)
      at[digit] = "0123456789abcdef"[(line >> (4 * (LINE_BYTES - 2 - digit))) & 15];
    at[LINE_BYTES - 1] = '\n';
  }
}

static unsigned long smaller(unsigned long a, unsigned long b) {
  return a < b ? a : b;
}

/* Returns how many bytes piece `number` took. */
static unsigned long write_piece(unsigned long number, const char* from, unsigned long left) {
  const unsigned long few = smaller(left, 1 + number % 3);
  const unsigned long some = smaller(left, number % 64 == 1 ? 4096 : 1 + number % 97);
  switch (number % 4) {
    case 0: by_uart(from, few); return few;
    case 1: by_dbcn(from, some, some); return some;
    case 2: by_dbcn_bytes(from, few); return few;
    default: return by_batch(from, left);
  }
}

int guest_main(void) {
  number_lines();
  unsigned long number = 0;
  for (unsigned long at = 0; at < sizeof(text); ++number) at += write_piece(number, text + at, sizeof(text) - at);
  return 0;
}

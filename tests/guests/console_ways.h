/* The ways to the console, for guests in C that write by all of them. One hart at a time. */
#ifndef RVVMM_GUEST_CONSOLE_WAYS_H
#define RVVMM_GUEST_CONSOLE_WAYS_H

#include <rvvmm/hypercall.h>

#include "sbi.h"

#define BATCH_PIECES 16UL

/* A store to the transmit register for each byte; rvvmm's UART takes each at once. */
static inline void by_uart(const char* text, unsigned long length) {
  for (unsigned long i = 0; i < length; ++i) *(volatile char*)UART_BASE = text[i];
}

/* Calls of `at_most` bytes, fewer in the last. */
static inline void by_dbcn(const char* text, unsigned long length, unsigned long at_most) {
  while (length > 0) {
    const unsigned long wanted = length < at_most ? length : at_most;
    const unsigned long taken = sbi_call3(SBI_DBCN, 0, wanted, address_of(text), 0).value;
    text += taken;
    length -= taken;
  }
}

static inline void by_dbcn_bytes(const char* text, unsigned long length) {
  for (unsigned long i = 0; i < length; ++i) sbi_call3(SBI_DBCN, 2, (unsigned char)text[i], 0, 0);
}

/* One batch of BATCH_PIECES calls at most: single bytes and writes of five in turn. Returns how many bytes it took. */
static inline unsigned long by_batch(const char* text, unsigned long length) {
  static struct rvvmm_batch_entry entries[BATCH_PIECES];
  unsigned long count = 0;
  unsigned long at = 0;
  for (; count < BATCH_PIECES && at < length; ++count) {
    struct rvvmm_batch_entry* const entry = &entries[count];
    const int is_byte = count % 2 == 0 || length - at < 5;
    entry->eid = SBI_DBCN;
    entry->fid = is_byte ? 2 : 0;
    entry->args[0] = is_byte ? (unsigned char)text[at] : 5;
    entry->args[1] = is_byte ? 0 : address_of(text + at);
    entry->args[2] = 0;
    at += is_byte ? 1 : 5;
  }
  rvvmm_hypercall(RVVMM_HC_BATCH, count, address_of(entries), 0, 0);
  return at;
}

/* Without an exit to user space. */
static inline void spin_ms(unsigned long milliseconds) {
  const unsigned long start = now();
  while (now() - start < milliseconds * (TICKS_PER_SECOND / 1000)) {
  }
}

#endif

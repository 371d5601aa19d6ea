/* Firmware that edits the device tree where it lies, as U-Boot does: there are 64 KiB behind the tree for it, which
   nobody else uses. Started with an initrd. */
#include "sbi.h"

#define FDT_MAGIC 0xd00dfeedU
#define FDT_BEGIN_NODE 1U
#define FDT_END_NODE 2U
#define FDT_PROP 3U
#define FDT_NOP 4U
#define ROOM 0x10000UL

/* Devicetree Specification 0.4, 5.2: offsets in the header. */
enum { MAGIC = 0, TOTALSIZE = 4, OFF_STRUCT = 8, OFF_STRINGS = 12, SIZE_STRINGS = 32 };

static unsigned long cell(const unsigned char* at) {
  return (unsigned long)at[0] << 24 | (unsigned long)at[1] << 16 | (unsigned long)at[2] << 8 | at[3];
}

static int same(const char* one, const char* other) {
  while (*one != 0 && *one == *other) {
    ++one;
    ++other;
  }
  return *one == *other;
}

/* The first property of this name, as two cells; 0 where there is none. */
static unsigned long find(const unsigned char* tree, const char* name) {
  const unsigned char* at = tree + cell(tree + OFF_STRUCT);
  for (;;) {
    const unsigned long token = cell(at);
    at += 4;
    if (token == FDT_BEGIN_NODE) {
      unsigned long length = 0;
      while (at[length] != 0) ++length;
      at += (length + 4) & ~3UL;
    } else if (token == FDT_PROP) {
      const unsigned long length = cell(at);
      if (same((const char*)tree + cell(tree + OFF_STRINGS) + cell(at + 4), name))
        return cell(at + 8) << 32 | cell(at + 12);
      at += 8 + ((length + 3) & ~3UL);
    } else if (token != FDT_END_NODE && token != FDT_NOP) {
      return 0;
    }
  }
}

static unsigned long sum(unsigned long from, unsigned long to) {
  unsigned long total = 0;
  for (; from < to; ++from) total = total * 31 + *(const volatile unsigned char*)from;
  return total;
}

int guest_main(unsigned long hart, unsigned char* tree) {
  (void)hart;
  const unsigned long base = (unsigned long)tree;
  const unsigned long total = cell(tree + TOTALSIZE);
  const unsigned long used = cell(tree + OFF_STRINGS) + cell(tree + SIZE_STRINGS);
  if (cell(tree + MAGIC) != FDT_MAGIC) return 1;
  if (total < used + ROOM) return 2;
  if (base < RAM_BASE || base + total > RAM_END) return 3;
  const unsigned long start = find(tree, "linux,initrd-start");
  const unsigned long end = find(tree, "linux,initrd-end");
  if (start < RAM_BASE || start >= end || end > RAM_END) return 4;
  if (base < end && start < base + total) return 5;
  extern char _start[], __bss_start[], __image_end[];
  if (base < (unsigned long)__image_end && (unsigned long)_start < base + total) return 6;
  const unsigned long before = sum(start, end) ^ sum((unsigned long)_start, (unsigned long)__bss_start);
  /* A block that is moved to the end of the room, and what lay there. */
  const unsigned long strings = cell(tree + SIZE_STRINGS);
  for (unsigned long i = strings; i > 0; --i) tree[total - strings + i - 1] = tree[used - strings + i - 1];
  for (unsigned long i = used - strings; i < total - strings; ++i) tree[i] = 0xff;
  const unsigned long after = sum(start, end) ^ sum((unsigned long)_start, (unsigned long)__bss_start);
  return before == after ? 0 : 7;
}

/* Every hypercall as a guest's author would make it: by include/rvvmm/hypercall.h, without a C library. */
#include <rvvmm/hypercall.h>

#define SBI_BASE 0x10
#define SBI_DBCN 0x4442434E
#define NOT_SUPPORTED (-2)
#define INVALID_PARAM (-3)
#define DENIED (-4)
#define INVALID_ADDRESS (-5)

#define ENTRIES RVVMM_BATCH_MAX_ENTRIES

static struct rvvmm_batch_entry entries[ENTRIES];

static unsigned long address_of(const void* p) {
  return (unsigned long)p;
}

static unsigned long length_of(const char* text) {
  unsigned long length = 0;
  while (text[length] != 0) ++length;
  return length;
}

static struct rvvmm_hypercall_ret call(unsigned long function, unsigned long a0, unsigned long a1, unsigned long a2) {
  return rvvmm_hypercall(function, a0, a1, a2, 0);
}

static struct rvvmm_hypercall_ret log_line(unsigned long level, const char* text) {
  return rvvmm_hypercall(RVVMM_HC_LOG, level, length_of(text), address_of(text), 0);
}

static struct rvvmm_hypercall_ret mark(const char* name) {
  return call(RVVMM_HC_MARK, length_of(name), address_of(name), 0);
}

static void set(int i, unsigned long eid, unsigned long fid, unsigned long a0, unsigned long a1) {
  entries[i].eid = eid;
  entries[i].fid = fid;
  entries[i].args[0] = a0;
  entries[i].args[1] = a1;
  entries[i].args[2] = 0;
  entries[i].ret[0] = 77;
  entries[i].ret[1] = 88;
}

static struct rvvmm_hypercall_ret batch(unsigned long count, unsigned long flags) {
  return rvvmm_hypercall(RVVMM_HC_BATCH, count, address_of(entries), 0, flags);
}

static int failed(struct rvvmm_hypercall_ret ret, long error, unsigned long value) {
  return ret.error != error || ret.value != value;
}

static int answer_is(int i, long error, unsigned long value) {
  return entries[i].ret[0] == (unsigned long long)error && entries[i].ret[1] == value;
}

static int check_batches(void) {
  static const char text[] = "one call, one exit\n";
  const int letters = (int)length_of(text);
  for (int i = 0; i < letters; ++i) set(i, SBI_DBCN, 2, (unsigned char)text[i], 0);
  set(letters, 0x08000000, 0, 0, 0);
  set(letters + 1, RVVMM_HYPERCALL_EID, RVVMM_HC_BATCH, 1, address_of(entries));
  set(letters + 2, RVVMM_HYPERCALL_EID, RVVMM_HC_VERSION, 0, 0);
  if (failed(batch((unsigned long)letters + 3, 0), 0, (unsigned long)letters + 3)) return 10;
  for (int i = 0; i < letters; ++i)
    if (!answer_is(i, 0, 0)) return 11;
  if (!answer_is(letters, NOT_SUPPORTED, 0)) return 12;
  if (!answer_is(letters + 1, DENIED, 0)) return 13;
  if (!answer_is(letters + 2, 0, RVVMM_HYPERCALL_VERSION)) return 14;

  set(0, 0x08000000, 0, 0, 0);
  set(1, SBI_DBCN, 2, '!', 0);
  if (failed(batch(2, RVVMM_BATCH_STOP_ON_ERROR), 0, 1) || !answer_is(1, 77, 88)) return 15;
  /* What KVM answers itself does not reach rvvmm from inside a batch. */
  set(0, SBI_BASE, 0, 0, 0);
  set(1, SBI_BASE, 3, 0x54494D45, 0);
  if (failed(batch(2, 0), 0, 2) || !answer_is(0, NOT_SUPPORTED, 0) || !answer_is(1, NOT_SUPPORTED, 0)) return 16;

  for (int i = 0; i < ENTRIES; ++i) set(i, RVVMM_HYPERCALL_EID, RVVMM_HC_VERSION, 0, 0);
  if (failed(batch(ENTRIES, 0), 0, ENTRIES) || !answer_is(ENTRIES - 1, 0, RVVMM_HYPERCALL_VERSION)) return 17;

  if (failed(batch(ENTRIES + 1, 0), INVALID_PARAM, 0)) return 18;
  if (failed(batch(1, 2), INVALID_PARAM, 0)) return 19;
  if (failed(call(RVVMM_HC_BATCH, 1, address_of(entries) + 4, 0), INVALID_PARAM, 0)) return 20;
  if (failed(call(RVVMM_HC_BATCH, 1, 0x10000000, 0), INVALID_ADDRESS, 0)) return 21;
  if (failed(call(RVVMM_HC_BATCH, 1, 0x80000000 - 8, 0), INVALID_ADDRESS, 0)) return 22;
  if (failed(call(RVVMM_HC_BATCH, 1, address_of(entries), 1), INVALID_ADDRESS, 0)) return 23;
  return 0;
}

int guest_main(unsigned long hart, const void* device_tree);

int guest_main(unsigned long hart, const void* device_tree) {
  (void)hart;
  (void)device_tree;
  if (failed(call(RVVMM_HC_VERSION, 0, 0, 0), 0, RVVMM_HYPERCALL_VERSION)) return 1;
  if (failed(call(RVVMM_HC_FEATURES, 0, 0, 0), 0, 0x7f)) return 2;
  if (failed(log_line(RVVMM_LOG_WARN, "a guest\x1b[31m warns"), 0, 18)) return 3;
  if (failed(log_line(RVVMM_LOG_DEBUG, "not shown"), 0, 9)) return 4;
  if (failed(log_line(4, "no such level"), INVALID_PARAM, 0)) return 5;
  if (failed(mark(""), INVALID_PARAM, 0)) return 7;
  if (failed(mark("first"), 0, 1)) return 6; /* nobody records it */
  if (failed(mark("sec\"ond"), 0, 1)) return 8;

  const struct rvvmm_hypercall_ret now = call(RVVMM_HC_WALL_CLOCK, 0, 0, 0);
  if (now.error != 0 || now.value == 0) return 26;
  const struct rvvmm_hypercall_ret later = call(RVVMM_HC_WALL_CLOCK, 0, 0, 0);
  if (later.value < now.value) return 27;

  if (failed(call(RVVMM_HC_BATCH + 1, 0, 0, 0), NOT_SUPPORTED, 0)) return 9;
  const int wrong = check_batches();
  if (wrong != 0) return wrong;

  if (failed(call(RVVMM_HC_EXIT, 256, 0, 0), INVALID_PARAM, 0)) return 24;
  set(0, RVVMM_HYPERCALL_EID, RVVMM_HC_EXIT, 43, 0);
  set(1, SBI_DBCN, 2, '!', 0);
  if (failed(batch(2, 0), 0, 1)) return 25;
  for (;;) __asm__ __volatile__("wfi");
}

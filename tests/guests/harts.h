/* Other harts of guests in C. */
#ifndef RVVMM_GUEST_HARTS_H
#define RVVMM_GUEST_HARTS_H

/* What a hart that begins at hart_begin gets as its opaque argument (a1). c_start.S knows the first two. */
struct hart_entry {
  unsigned long stack_top;
  void (*run)(unsigned long hart, const struct hart_entry* entry, unsigned long satp, unsigned long sstatus);
};

/* Start address for HSM: code, as what it is to a call. `run` is called with the CSRs as they were at the entry, and must
   not return. */
extern const char hart_begin[];

#endif

/* The parts of the guest that draws docs/sbi-conformance.md. */
#ifndef RVVMM_GUEST_SBI_CONFORMANCE_H
#define RVVMM_GUEST_SBI_CONFORMANCE_H

#include "sbi_report.h"

/* Memory to point calls at: aligned to 4096 bytes, nothing else in it. */
extern unsigned char page[4096];
/* The same address as a constant for tables. */
#define PAGE ((unsigned long)page)

/* sbi_hsm.c: HSM, by whoever answers `extension`. Hart 1 must be there, and stopped. */
void hsm_checks(const struct sbi_extension* extension);
/* sbi_pmu.c */
void pmu_checks(void);
/* sbi_own.c: what rvvmm answers beside the standard: hypercalls, and the ranges they live in. */
void own_checks(void);

#endif

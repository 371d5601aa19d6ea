// Instructions that do not exist are the guest's own trap, in S-mode and in U-mode, with paging or without.
#include "guest.inc"
GUEST_BEGIN
#ifdef PAGED
    CHECK 1
    PAGING_ON
#endif
    SET_TRAP trap_skip
    CHECK 2
    li s10, 0
    .word 0xffffffff
    EXPECT_EQ s10, 2
    CHECK 3  // 16 bits of zero: defined to be illegal
    li s10, 0
    .half 0
    EXPECT_EQ s10, 2
    CHECK 4  // a CSR nobody has
    li s10, 0
    csrr a0, 0x5ff
    EXPECT_EQ s10, 2
    CHECK 5  // an M-mode CSR
    li s10, 0
    csrr a0, mstatus
    EXPECT_EQ s10, 2
    j pass

// Breakpoints are the guest's own while no debugger is attached.
#include "guest.inc"
GUEST_BEGIN
    SET_TRAP trap_skip
    CHECK 1
    li s10, 0
    .option push
    .option norvc
here:
    ebreak
    .option pop
    EXPECT_EQ s10, 3
    la a0, here
    bne a0, s8, fail
    CHECK 2
    li s10, 0
there:
    c.ebreak
    EXPECT_EQ s10, 3
    la a0, there
    bne a0, s8, fail
    j pass

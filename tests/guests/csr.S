// CSR accesses that KVM hands to user space. `seed` (Zkr, unprivileged ISA, ch. "Entropy Source"): entropy that
// differs, or an illegal instruction where the guest has no Zkr. `stopei` and `sireg` (AIA): a value or a trap,
// but the VM lives on.
#include "guest.inc"
GUEST_BEGIN
    SET_TRAP trap_skip
    CHECK 1
    li s10, 0
    csrrw a0, 0x015, zero
    beqz s10, seed
    EXPECT_EQ s10, 2
    PUTS "guest: no seed\n"
    j aia

seed:
    CHECK 2
    li s2, 1000  // tries
    li s3, 0     // answers with entropy
    li s4, 0     // or of all
    li s5, -1    // and of all
1:  csrrw a0, 0x015, zero
    srliw t0, a0, 30
    li t1, 2     // ES16
    bne t0, t1, 2f
    li t1, 0xffff
    and t2, a0, t1
    or s4, s4, t2
    and s5, s5, t2
    addi s3, s3, 1
2:  li t1, 3     // DEAD
    beq t0, t1, fail
    addi s2, s2, -1
    bnez s2, 1b
    CHECK 3
    beqz s3, fail
    CHECK 4      // each of the 16 bits has been 1 and has been 0
    EXPECT_EQ s4, 0xffff
    CHECK 5
    EXPECT_EQ s5, 0
    PUTS "guest: seed\n"

aia:
    CHECK 6
    csrr a0, 0x15c
    csrrw a0, 0x15c, zero
    csrr a0, 0x151
    csrw 0x151, zero
    CHECK 7      // a CSR nobody has is the guest's own illegal instruction
    li s10, 0
    csrr a0, 0x5ff
    EXPECT_EQ s10, 2
    j pass

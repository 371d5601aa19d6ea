// Touches a device in a way that KVM cannot emulate: rvvmm ends with its status for guest faults and a report.
// Where the hardware or a newer kernel makes it a trap of the guest's own, the guest passes. ACCESS is given at
// build time and uses s3 or s5. With VECTORS the vector registers are full: byte i of vn is i + 8n, modulo 256.
#include "guest.inc"
GUEST_BEGIN
    li t0, 0x6000   // sstatus.FS: floating point on
    csrs sstatus, t0
    SET_TRAP trapped
#ifdef VECTORS
    .option push
    .option arch, +v
    li t0, 0x600    // sstatus.VS: vector registers on, and dirty
    csrs sstatus, t0
    csrr s2, vlenb
    PUTS "guest: vlenb "
    mv a0, s2
    call print_hex
    PUTS "\n"
    vsetvli t0, zero, e8, m1, ta, ma
    // Between two vector instructions: QEMU 10.0 does not tell the host that a write of a CSR made the state dirty, so
    // that it is lost where the host takes the CPU away right behind it. vstart, which they clear, stays 0 therefore.
    csrwi vcsr, 5
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    li t1, (8 * \n) & 255
    vid.v v\n
    vadd.vx v\n, v\n, t1
    .endr
    li t0, 3
    vsetvli t0, t0, e32, m2, ta, ma  // vl 3, vtype 0xd1
    .option pop
#endif
    li s3, UART_BASE
    li s5, 0x4010  // nothing is there
    li s4, 0x1122334455667788
    PUTS "guest: access\n"
    CHECK 1
faulting:
    ACCESS
    j fail
    .balign 4
trapped:
    csrr s10, scause
    PUTS "guest: own trap "
    mv a0, s10
    call print_hex
    PUTS "\n"
    // Instruction or load or store, misaligned or access fault, and nothing else.
    CHECK 2
    li t0, 8
    bgeu s10, t0, fail
    li t0, 2
    beq s10, t0, fail
    li t0, 3
    beq s10, t0, fail
    j pass

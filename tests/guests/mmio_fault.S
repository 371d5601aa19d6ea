// Touches a device in a way that KVM cannot emulate: rvvmm ends with its status for guest faults and a report.
// Where the hardware or a newer kernel makes it a trap of the guest's own, the guest passes. ACCESS is given at
// build time and uses s3.
#include "guest.inc"
GUEST_BEGIN
    li t0, 0x6000   // sstatus.FS: floating point on
    csrs sstatus, t0
    SET_TRAP trapped
    li s3, UART_BASE
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

// Tells what it finds of SBI: a line for each extension, hart 0 first and then hart 1 where there is one:
//   sbi HART EID PROBE CALL BATCH
// PROBE is what sbi_probe_extension says, CALL the error of a call that is harmless wherever it is answered, BATCH that of
// the same call in a batch of rvvmm, or of the batch itself. All in 16 hexadecimal digits.
#include "guest.inc"
#include <rvvmm/hypercall.h>

#define ENTRY_SIZE 80
#define ENTRY_RET 64

GUEST_BEGIN
    CHECK 1
    li s0, 0
    call report
    CHECK 2
    li a0, 1
    la a1, second_hart
    li a2, 0
    SBI SBI_HSM, 0
    bnez a0, pass  // there is none, or no HSM
1:  wfi
    j 1b

second_hart:
    SET_TRAP trap_unexpected
    CHECK 3
    li s0, 1
    call report
    j pass

// A line for each row of `calls`, as hart s0.
report:
    mv s7, ra
    la s1, calls
1:  ld s2, 0(s1)
    bltz s2, 2f
    mv a0, s2
    SBI SBI_BASE, 3
    EXPECT_EQ a0, 0
    mv s3, a1

    ld a6, 8(s1)
    ld a0, 16(s1)
    ld a1, 24(s1)
    ld a2, 32(s1)
    mv a7, s2
    ecall
    mv s4, a0

    la s5, entry
    sd s2, 0(s5)
    ld t0, 8(s1)
    sd t0, 8(s5)
    ld t0, 16(s1)
    sd t0, 16(s5)
    ld t0, 24(s1)
    sd t0, 24(s5)
    ld t0, 32(s1)
    sd t0, 32(s5)
    li a0, 1
    mv a1, s5
    li a2, 0
    li a3, 0
    SBI RVVMM_HYPERCALL_EID, RVVMM_HC_BATCH
    mv s6, a0
    bnez s6, 3f
    ld s6, ENTRY_RET(s5)

3:  PUTS "sbi "
    mv a0, s0
    call print_hex
    PUTS " "
    mv a0, s2
    call print_hex
    PUTS " "
    mv a0, s3
    call print_hex
    PUTS " "
    mv a0, s4
    call print_hex
    PUTS " "
    mv a0, s6
    call print_hex
    PUTS "\n"
    addi s1, s1, 40
    j 1b
2:  jr s7

    .data
    .balign 8
entry:
    .space ENTRY_SIZE
// EID, FID, a0 to a2; ends with a negative one.
calls:
    .quad 0x10, 0, 0, 0, 0                     // spec version
    .quad 0x02, 0, 0, 0, 0                     // getchar
    .quad 0x54494D45, 0, -1, 0, 0              // no timer
    .quad 0x735049, 0, 0, 0, 0                 // an IPI to no hart
    .quad 0x52464E43, 0, 0, 0, 0               // a fence on no hart
    .quad SBI_SRST, 0, 3, 0, 0                 // a reserved type of reset
    .quad SBI_HSM, 2, 0, 0, 0                  // status of hart 0
    .quad 0x504D55, 0, 0, 0, 0                 // number of counters
    .quad RVVMM_HYPERCALL_EID, RVVMM_HC_VERSION, 0, 0, 0
    .quad 0x0848534D, 2, 0, 0, 0               // rvvmm's own HSM: status of hart 0
    .quad SBI_VENDOR, 0, 0, 0, 0
    .quad SBI_DBCN, 0, 0, RAM_BASE, 0          // write no bytes
    .quad 0x535441, 0, -1, -1, 0               // no steal-time memory
    .quad 0x53555350, 0, 1, 0, 0               // a reserved type of suspend
    .quad 0x46574654, 1, 0x3fffffff, 0, 0      // a reserved feature
    .quad 0x4D505859, 0, 0, 0, 0               // size of the shared memory
    .quad -1

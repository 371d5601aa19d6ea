// Calls with arguments that a test knows, each once: A to the console, a start of hart 1 by rvvmm's own HSM, then B, C and
// a line feed, and the end.
#include "guest.inc"

#define OWN_HSM 0x0848534D
#define OPAQUE 0x1234B

.macro WRITE_BYTE byte
    li a0, \byte
    SBI SBI_DBCN, 2
.endm

GUEST_BEGIN
    WRITE_BYTE 'A'
    li a0, 1
    la a1, other_hart
    li a2, OPAQUE
    SBI OWN_HSM, 0
    WRITE_BYTE 'B'
    WRITE_BYTE 'C'
    WRITE_BYTE '\n'
    li a0, 0
    li a1, 0
    SBI SBI_SRST, 0
1:  wfi
    j 1b

other_hart:
2:  wfi
    j 2b

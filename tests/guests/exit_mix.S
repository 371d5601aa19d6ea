// Makes a known number of exits of each kind on each hart, then shuts down: what a profile must count. The hart of id N
// makes COUNT * (N + 1) of each.
#include "guest.inc"

#define COUNT 100

GUEST_BEGIN
    // Harts 1 to 3, as far as there are.
    li s2, 1
1:  mv a0, s2
    la a1, other_hart
    li a2, 0
    SBI SBI_HSM, 0
    bnez a0, 2f
    la t0, started
    li t1, 1
    amoadd.d zero, t1, (t0)
    addi s2, s2, 1
    li t0, 4
    bltu s2, t0, 1b
2:  li a0, 0
    call make_exits
    // Those that were started say that they are done; looking for that is no exit.
3:  fence
    ld t0, started
    ld t1, done
    bne t0, t1, 3b
    li a0, 0
    li a1, 0
    SBI SBI_SRST, 0
4:  wfi
    j 4b

other_hart:
    call make_exits
    la t0, done
    li t1, 1
    amoadd.d zero, t1, (t0)
5:  wfi
    j 5b

// a0: hart id. Loads of LSR, stores to SCR, vendor calls, loads where there is no device.
make_exits:
    addi t4, a0, 1
    li t5, COUNT
    mul s3, t4, t5
    li s4, UART_BASE
    li s5, NO_DEVICE
6:  lbu t0, UART_LSR(s4)
    sb t0, UART_SCR(s4)
    SBI SBI_VENDOR, 7
    lw t0, 0(s5)
    addi s3, s3, -1
    bnez s3, 6b
    ret

    .data
    .balign 8
started: .dword 0
done: .dword 0

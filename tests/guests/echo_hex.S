// Answers each byte of console input with its value in hexadecimal, for ever.
#include "guest.inc"
GUEST_BEGIN
    PUTS "guest: ready\n"
1:  call get_byte
    mv s2, a0
    PUTS "byte "
    mv a0, s2
    call print_hex
    PUTS "\n"
    j 1b

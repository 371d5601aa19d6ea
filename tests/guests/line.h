/* Lines of text on the UART, for guests in C. One hart at a time. */
#ifndef RVVMM_GUEST_LINE_H
#define RVVMM_GUEST_LINE_H

void line_text(const char* text);
/* Up to 9 in decimal, which is the same, others in hexadecimal with 0x. */
void line_number(unsigned long number);
/* Writes what has gathered, and a line feed. */
void line_end(void);

#endif

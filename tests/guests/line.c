/* Gathers a line and writes it as the UART's FIFO takes it: 16 bytes for each look at the line status. */
#include "line.h"

#include "sbi.h"

#define UART_THR 0
#define UART_FCR 2
#define UART_LSR 5
#define FCR_FIFO 0x01
#define LSR_THR_EMPTY 0x20
#define FIFO_BYTES 16

static char line[1024];
static unsigned long length;

static volatile unsigned char* uart(unsigned long offset) {
  return (volatile unsigned char*)(UART_BASE + offset);
}

void line_text(const char* text) {
  for (; *text != 0 && length < sizeof(line) - 1; ++text) line[length++] = *text;
}

void line_number(unsigned long number) {
  char digits[17];
  int at = 16;
  if (number > 9) line_text("0x");
  digits[at] = 0;
  do {
    digits[--at] = "0123456789abcdef"[number & 15];
    number >>= 4;
  } while (number != 0);
  line_text(digits + at);
}

void line_end(void) {
  line[length++] = '\n';
  *uart(UART_FCR) = FCR_FIFO;
  for (unsigned long i = 0; i < length; ++i) {
    if (i % FIFO_BYTES == 0) {
      while ((*uart(UART_LSR) & LSR_THR_EMPTY) == 0) {
      }
    }
    *uart(UART_THR) = (unsigned char)line[i];
  }
  length = 0;
}

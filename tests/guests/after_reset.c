/* Tells what it finds of what a reset may change: the capacity of disk 0 behind virtio-mmio, in sectors, and the upper
   half of the clock's nanoseconds. Bytes on the UART say what it does then: s sets the clock, r resets, o powers off. */
#include "line.h"
#include "sbi.h"

#define RTC_BASE 0x101000UL
#define RTC_TIME_LOW 0
#define RTC_TIME_HIGH 4
#define DISK_CAPACITY 0x10001100UL /* virtio-mmio slot 0, virtio 1.2, 4.2.2: the configuration space is at 0x100 */
#define UART_RBR 0
#define UART_LSR 5
#define LSR_DATA_READY 0x01
#define CLOCK_SET_TO 0x40000000U /* times 2^32 ns: the year 2116 */
#define SRST_SHUTDOWN 0
#define SRST_COLD_REBOOT 1

static volatile unsigned int* word_at(unsigned long address) {
  return (volatile unsigned int*)address;
}

static void tell(void) {
  (void)*word_at(RTC_BASE + RTC_TIME_LOW); /* latches the upper half */
  line_text("guest: clock ");
  line_number(*word_at(RTC_BASE + RTC_TIME_HIGH));
  line_text(" capacity ");
  line_number(*word_at(DISK_CAPACITY) | (unsigned long)*word_at(DISK_CAPACITY + 4) << 32);
  line_end();
}

static void set_clock(void) {
  *word_at(RTC_BASE + RTC_TIME_HIGH) = CLOCK_SET_TO;
  *word_at(RTC_BASE + RTC_TIME_LOW) = 0;
}

static unsigned char next_byte(void) {
  while ((*(volatile unsigned char*)(UART_BASE + UART_LSR) & LSR_DATA_READY) == 0) {
  }
  return *(volatile unsigned char*)(UART_BASE + UART_RBR);
}

int guest_main(void) {
  tell();
  for (;;) {
    switch (next_byte()) {
      case 's': set_clock(); break;
      case 'r': sbi_call3(SBI_SRST, 0, SRST_COLD_REBOOT, 0, 0); return 1;
      case 'o': sbi_call3(SBI_SRST, 0, SRST_SHUTDOWN, 0, 0); return 2;
      default: return 3;
    }
    tell();
  }
}

/* A Linux program without libraries: sets the alarm of /dev/rtc0 to three seconds from now. */
#define SYS_IOCTL 29
#define SYS_OPENAT 56
#define SYS_NANOSLEEP 101
#define SYS_EXIT 93
#define AT_FDCWD (-100)

/* Linux, include/uapi/linux/rtc.h. */
#define RTC_RD_TIME 0x80247009L
#define RTC_WKALM_SET 0x4028700FL
struct rtc_time {
  int sec, min, hour, mday, mon, year, wday, yday, isdst;
};
struct rtc_alarm {
  unsigned char enabled, pending;
  struct rtc_time time;
};

#define SECONDS 3

static long call(long number, long a, long b, long c, long d) {
  register long a0 __asm__("a0") = a;
  register long a1 __asm__("a1") = b;
  register long a2 __asm__("a2") = c;
  register long a3 __asm__("a3") = d;
  register long a7 __asm__("a7") = number;
  __asm__ __volatile__("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a7) : "memory");
  return a0;
}

static int set_alarm(void) {
  static const char name[] = "/dev/rtc0";
  static const long second[2] = {1, 0};
  struct rtc_alarm alarm = {1, 0, {0}};
  const long rtc = call(SYS_OPENAT, AT_FDCWD, (long)name, 0, 0);
  if (rtc < 0) return 1;
  /* Without a carry to the minutes. */
  do {
    if (call(SYS_IOCTL, rtc, RTC_RD_TIME, (long)&alarm.time, 0) < 0) return 2;
    if (alarm.time.sec + SECONDS < 60) break;
    call(SYS_NANOSLEEP, (long)second, 0, 0, 0);
  } while (1);
  alarm.time.sec += SECONDS;
  return call(SYS_IOCTL, rtc, RTC_WKALM_SET, (long)&alarm, 0) < 0 ? 3 : 0;
}

void _start(void);

void _start(void) {
  call(SYS_EXIT, set_alarm(), 0, 0, 0);
}

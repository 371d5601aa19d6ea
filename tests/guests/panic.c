/* Says that it has panicked as Linux does, and more behind that; then waits for ever, or asks for a reset, as it is told
   by THEN_RESET. */
#include "line.h"
#include "sbi.h"

static void say(const char* text) {
  line_text(text);
  line_end();
}

int guest_main(void) {
  say("guest: all is well");
  say("Kernel panic - not syncing: \"by design\"");
  say("Call Trace:");
  say("---[ end Kernel panic - not syncing ]---");
#ifdef THEN_RESET
  sbi_call3(SBI_SRST, 0, 1, 0, 0); /* a cold reboot for no reason, SBI 3.0, 10.1 */
#endif
  for (;;) __asm__ __volatile__("wfi");
}

// in-root ROOT CMD...: chroot and exec, without a shell's start-up in what is measured.
#include <err.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc < 3) errx(2, "usage: in-root ROOT CMD...");
  if (chroot(argv[1]) != 0 || chdir("/") != 0) err(1, "%s", argv[1]);
  execvp(argv[2], argv + 2);
  err(127, "%s", argv[2]);
}

#include "vmm/host/terminal.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "fakes/pty.hpp"

namespace rvvmm::terminal_test {
namespace {

struct WatchedPty : Pty {
  termios mode() const {
    termios now{};
    EXPECT_EQ(::tcgetattr(tty.get(), &now), 0);
    return now;
  }
  bool is_raw() const {
    const termios now = mode();
    return (now.c_lflag & (ICANON | ECHO | ISIG)) == 0 && (now.c_oflag & OPOST) == 0;
  }
  bool is_cooked() const {
    const termios now = mode();
    return (now.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG) && (now.c_oflag & OPOST) != 0;
  }
};

/// Runs `body` in a child process, which should not return from it; its wait status.
int status_of_child(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit no_core{.rlim_cur = 0, .rlim_max = 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    // A sanitizer's handlers would turn the signal into an exit.
    for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT})
      ::signal(signal, SIG_DFL);
    body();
    ::_exit(99);
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return status;
}

TEST(Terminal, IsRawOnceItIsToldAndCookedInTheEnd) {
  const WatchedPty pty;
  ASSERT_TRUE(pty.is_cooked());
  {
    Terminal terminal(pty.tty.get());
    EXPECT_TRUE(pty.is_cooked());
    terminal.enter_raw();
    EXPECT_TRUE(terminal.is_terminal());
    EXPECT_TRUE(terminal.in_foreground());
    EXPECT_TRUE(pty.is_raw());
  }
  EXPECT_TRUE(pty.is_cooked());
}

TEST(Terminal, RestoreAndEnterAgain) {
  const WatchedPty pty;
  Terminal terminal(pty.tty.get());
  terminal.enter_raw();
  terminal.restore();
  EXPECT_TRUE(pty.is_cooked());
  terminal.enter_raw();
  EXPECT_TRUE(pty.is_raw());
}

TEST(Terminal, PipeIsLeftAlone) {
  int fds[2] = {-1, -1};
  ASSERT_EQ(::pipe(fds), 0);
  const Fd reader{fds[0]};
  const Fd writer{fds[1]};
  Terminal terminal(reader.get());
  EXPECT_FALSE(terminal.is_terminal());
  EXPECT_TRUE(terminal.in_foreground());
  terminal.enter_raw();
  terminal.restore();
  Terminal::restore_in_crash();
}

TEST(Terminal, SignalGivesItBackAndStillEndsUs) {
  std::vector<int> ending{SIGSEGV, SIGBUS,  SIGILL,  SIGFPE,    SIGABRT, SIGTRAP, SIGSYS, SIGXCPU,
                          SIGXFSZ, SIGPIPE, SIGALRM, SIGVTALRM, SIGPROF, SIGIO,   SIGPWR, SIGSTKFLT};
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal)
    ending.push_back(signal);
  constexpr int kNoSuchSignal = 97;  // qemu-user keeps some for itself
  for (const int signal : ending) {
    const WatchedPty pty;
    const int status = status_of_child([&] {
      Terminal terminal(pty.tty.get());
      terminal.enter_raw();
      if (!pty.is_raw()) ::_exit(98);
      if (::raise(signal) != 0) ::_exit(kNoSuchSignal);
    });
    if (WIFEXITED(status) && WEXITSTATUS(status) == kNoSuchSignal) continue;
    ASSERT_TRUE(WIFSIGNALED(status)) << status << " at signal " << signal;
    EXPECT_EQ(WTERMSIG(status), signal);
    EXPECT_TRUE(pty.is_cooked()) << signal;
  }
}

TEST(Terminal, RealFaultGivesItBackToo) {
  const WatchedPty pty;
  const int status = status_of_child([&] {
    Terminal terminal(pty.tty.get());
    terminal.enter_raw();
    const long page = ::sysconf(_SC_PAGESIZE);
    void* const forbidden = ::aligned_alloc(static_cast<size_t>(page), static_cast<size_t>(page));
    ::mprotect(forbidden, static_cast<size_t>(page), PROT_NONE);
    *static_cast<volatile char*>(forbidden) = 1;
  });
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGSEGV);
  EXPECT_TRUE(pty.is_cooked());
}

// The kernel's own signals are no faults that happen again on return.
TEST(Terminal, SignalOfTheKernelGivesItBack) {
  const WatchedPty pty;
  const int status = status_of_child([&] {
    Terminal terminal(pty.tty.get());
    terminal.enter_raw();
    const itimerval soon{.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = 1000}};
    ::setitimer(ITIMER_REAL, &soon, nullptr);
    for (;;)
      ::pause();
  });
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGALRM);
  EXPECT_TRUE(pty.is_cooked());
}

TEST(Terminal, IgnoredSignalStaysIgnored) {
  const WatchedPty pty;
  const int status = status_of_child([&] {
    ::signal(SIGUSR1, SIG_IGN);
    Terminal terminal(pty.tty.get());
    terminal.enter_raw();
    ::raise(SIGUSR1);
    ::_exit(pty.is_raw() ? 0 : 1);
  });
  ASSERT_TRUE(WIFEXITED(status)) << status;
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

/// Uses up any stack.
// NOLINTNEXTLINE(misc-no-recursion): that is the point
int overflow(volatile const int* above) {
  volatile int here[256];
  here[0] = *above + 1;
  return here[0] < 0 ? 0 : overflow(here) + here[0];
}

TEST(Terminal, OverflowOfTheStackGivesItBack) {
  const WatchedPty pty;
  const int status = status_of_child([&] {
    // The thread that this child is has the stack of the main one.
    const rlimit small{.rlim_cur = 256 << 10, .rlim_max = 256 << 10};
    ::setrlimit(RLIMIT_STACK, &small);
    Terminal terminal(pty.tty.get());
    terminal.enter_raw();
    const int start = 0;
    ::_exit(overflow(&start));
  });
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGSEGV);
  EXPECT_TRUE(pty.is_cooked());
}

TEST(Terminal, HandlersAndStackGoWithIt) {
  const WatchedPty pty;
  struct sigaction before{};
  ::sigaction(SIGUSR1, nullptr, &before);
  stack_t stack_before{};
  ::sigaltstack(nullptr, &stack_before);
  {
    Terminal terminal(pty.tty.get());
    terminal.enter_raw();
  }
  struct sigaction after{};
  ::sigaction(SIGUSR1, nullptr, &after);
  stack_t stack_after{};
  ::sigaltstack(nullptr, &stack_after);
  EXPECT_EQ(after.sa_handler, before.sa_handler);
  EXPECT_EQ(stack_after.ss_flags, stack_before.ss_flags);
}

TEST(Terminal, UncaughtExceptionGivesItBack) {
  const WatchedPty pty;
  const int status = status_of_child([&] {
    Terminal terminal(pty.tty.get());
    terminal.enter_raw();
    std::terminate();
  });
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  EXPECT_EQ(WTERMSIG(status), SIGABRT);
  EXPECT_TRUE(pty.is_cooked());
}

TEST(Terminal, BackgroundJobLeavesItAlone) {
  const WatchedPty pty;
  const int status = status_of_child([&] {
    // A session of our own with the terminal, whose foreground is this group; then a second group in it.
    ::setsid();
    ::ioctl(pty.tty.get(), TIOCSCTTY, 0);
    const pid_t job = ::fork();
    if (job == 0) {
      ::setpgid(0, 0);
      Terminal terminal(pty.tty.get());
      terminal.enter_raw();
      terminal.enter_raw();
      ::_exit(!terminal.in_foreground() && pty.is_cooked() ? 0 : 1);
    }
    int job_status = 0;
    ::waitpid(job, &job_status, WUNTRACED);
    ::_exit(WIFEXITED(job_status) ? WEXITSTATUS(job_status) : 2);  // 2: it was stopped by SIGTTOU
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(StandardDescriptors, ClosedOnesBecomeDevNull) {
  const int status = status_of_child([] {
    ::close(STDIN_FILENO);
    ::close(STDOUT_FILENO);
    open_missing_standard_fds();
    const int next = ::open("/dev/null", O_RDONLY);
    char byte = 0;
    ::_exit(::read(STDIN_FILENO, &byte, 1) == 0 && ::write(STDOUT_FILENO, "x", 1) == 1 && next > 2 ? 0 : 1);
  });
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace rvvmm::terminal_test

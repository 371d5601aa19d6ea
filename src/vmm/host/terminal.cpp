#include "vmm/host/terminal.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>

namespace rvvmm {
namespace {

// Those that end nobody (signal(7): default action "Ign", "Cont" or "Stop", the harts' kick among them), and the one
// that nobody can help. All others end us, the real-time ones too.
constexpr std::array kLeftAlone{SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGKILL};
// These come back to the event loop, by Signals.
constexpr std::array kServed{SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

constexpr bool ends_us(int signal) noexcept {
  return !std::ranges::contains(kLeftAlone, signal) && !std::ranges::contains(kServed, signal);
}

// The main thread's stack for a handler that finds the other one full; only touched then. Room for the kernel's frame
// with large vector registers (sigaltstack(2): more than SIGSTKSZ) and what give_back() calls.
constexpr size_t kAlternateStackSize = 64UL << 10;
alignas(16) constinit std::array<std::byte, kAlternateStackSize> alternate_stack{};

// What a signal handler needs: it can reach nothing but statics. Written by the one Terminal there is, before
// `armed` says so.
struct CrashState {
  int fd = -1;
  termios cooked{};
  std::array<struct sigaction, _NSIG> previous{};  // by signal, of those that end us
  stack_t previous_stack{};
  std::atomic<bool> exists = false;
  std::atomic<bool> armed = false;  // raw mode is on
};
constinit CrashState crash_state;
static_assert(std::atomic<bool>::is_always_lock_free);

bool foreground(int fd) noexcept {
  const pid_t group = ::tcgetpgrp(fd);
  // Not our controlling terminal: no job control there, and nobody to fight with.
  return group < 0 || group == ::getpgrp();
}

// We look at the foreground first, but it may change in between: SIGTTOU, which would stop us for this, is kept out,
// and the kernel then lets us do it.
void set_mode(int fd, const termios& mode) noexcept {
  sigset_t ttou;
  sigset_t old;
  ::sigemptyset(&ttou);
  ::sigaddset(&ttou, SIGTTOU);
  ::pthread_sigmask(SIG_BLOCK, &ttou, &old);
  // Now, not when all output is out: a terminal that stands still must not hold us.
  while (::tcsetattr(fd, TCSANOW, &mode) < 0 && errno == EINTR)
    continue;
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

// Disarmed last: a signal in between gives it back once more, and must not find that done which is not.
void give_back() noexcept {
  if (crash_state.armed.load() && foreground(crash_state.fd)) set_mode(crash_state.fd, crash_state.cooked);
  crash_state.armed.store(false);
}

/// A fault whose instruction runs into it again when the handler returns.
bool happens_again(int signal, const siginfo_t& info) noexcept {
  if (info.si_code <= 0) return false;  // sent by a process
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE;
}

void on_end(int signal, siginfo_t* info, void*) noexcept {
  const int saved_errno = errno;
  give_back();
  ::sigaction(signal, &crash_state.previous[static_cast<size_t>(signal)], nullptr);
  // Blocked until we return, and does then what it does without us.
  if (!happens_again(signal, *info)) ::raise(signal);
  errno = saved_errno;
}

void install_handlers() noexcept {
  ::sigaltstack(nullptr, &crash_state.previous_stack);
  // A sanitizer brings its own.
  if ((crash_state.previous_stack.ss_flags & SS_DISABLE) != 0) {
    const stack_t stack{.ss_sp = alternate_stack.data(), .ss_flags = 0, .ss_size = alternate_stack.size()};
    ::sigaltstack(&stack, nullptr);
  }
  struct sigaction action{};
  action.sa_sigaction = on_end;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  ::sigemptyset(&action.sa_mask);
  for (int signal = 1; signal < _NSIG; ++signal) {
    if (!ends_us(signal)) continue;
    struct sigaction& previous = crash_state.previous[static_cast<size_t>(signal)];
    // Refused for those that the C library keeps for itself.
    if (::sigaction(signal, &action, &previous) != 0) continue;
    // Does not end us as it is.
    if (previous.sa_handler == SIG_IGN) ::sigaction(signal, &previous, nullptr);
  }
}

void remove_handlers() noexcept {
  for (int signal = 1; signal < _NSIG; ++signal) {
    if (ends_us(signal)) ::sigaction(signal, &crash_state.previous[static_cast<size_t>(signal)], nullptr);
  }
  if ((crash_state.previous_stack.ss_flags & SS_DISABLE) != 0) ::sigaltstack(&crash_state.previous_stack, nullptr);
}

}  // namespace

void open_missing_standard_fds() noexcept {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // open() returns the lowest free number, which is this one.
    if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
      [[maybe_unused]] const int opened = ::open("/dev/null", O_RDWR);
    }
  }
}

Terminal::Terminal(int fd) noexcept : fd_(fd), is_terminal_(::tcgetattr(fd, &crash_state.cooked) == 0) {
  if (!is_terminal_) return;
  crash_state.fd = fd;
  install_handlers();
  crash_state.exists.store(true);
}

Terminal::~Terminal() {
  if (!is_terminal_) return;
  restore();
  crash_state.exists.store(false);
  remove_handlers();
}

bool Terminal::in_foreground() const noexcept {
  return !is_terminal_ || foreground(fd_);
}

void Terminal::enter_raw() noexcept {
  if (!is_terminal_ || given_back_ || !in_foreground()) return;
  termios raw = crash_state.cooked;
  ::cfmakeraw(&raw);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  crash_state.armed.store(true);
  set_mode(fd_, raw);
}

void Terminal::restore() noexcept {
  if (is_terminal_) give_back();
}

void Terminal::set_given_back(bool given_back) noexcept {
  given_back_ = given_back;
  given_back ? restore() : enter_raw();
}

void Terminal::restore_in_crash() noexcept {
  if (crash_state.exists.load()) give_back();
}

}  // namespace rvvmm

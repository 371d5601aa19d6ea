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

// Signals that do not end a process (signal(7): default action "Ign", "Cont" or "Stop"; the harts' kick is one of
// them), and SIGKILL, which cannot be caught. All other signals end the process, also the real-time signals.
constexpr std::array kLeftAlone{SIGCHLD, SIGCONT, SIGURG, SIGWINCH, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGKILL};
// Signals passes these to the event loop.
constexpr std::array kServed{SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};

constexpr bool ends_us(int signal) noexcept {
  return !std::ranges::contains(kLeftAlone, signal) && !std::ranges::contains(kServed, signal);
}

// The alternate signal stack of the main thread, for a handler after a stack overflow. It is touched only then. It has
// room for the kernel's frame with large vector registers (sigaltstack(2): more than SIGSTKSZ) and for give_back().
constexpr size_t kAlternateStackSize = 64UL << 10;
alignas(16) constinit std::array<std::byte, kAlternateStackSize> alternate_stack{};

// State for the signal handlers, which can only use statics. The only Terminal writes it before it sets `armed`.
struct CrashState {
  int fd = -1;
  termios cooked{};
  std::array<struct sigaction, _NSIG> previous{};  // by signal number, for the signals that end the process
  stack_t previous_stack{};
  std::atomic<bool> exists = false;
  std::atomic<bool> armed = false;  // raw mode is on
};
constinit CrashState crash_state;
static_assert(std::atomic<bool>::is_always_lock_free);

bool foreground(int fd) noexcept {
  const pid_t group = ::tcgetpgrp(fd);
  // group < 0: `fd` is not the controlling terminal, so no other job can own it.
  return group < 0 || group == ::getpgrp();
}

// The caller checks the foreground first, but it may change in between. A background process would then get SIGTTOU and
// stop. If SIGTTOU is blocked, the kernel allows the change.
void set_mode(int fd, const termios& mode) noexcept {
  sigset_t ttou;
  sigset_t old;
  ::sigemptyset(&ttou);
  ::sigaddset(&ttou, SIGTTOU);
  ::pthread_sigmask(SIG_BLOCK, &ttou, &old);
  // TCSANOW does not wait for pending output, because a stopped terminal must not block rvvmm.
  while (::tcsetattr(fd, TCSANOW, &mode) < 0 && errno == EINTR)
    continue;
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

// Clears `armed` last: a signal in between then restores the mode once more. With the reverse order the signal would
// find `armed` cleared although the mode is not restored yet.
void give_back() noexcept {
  if (crash_state.armed.load() && foreground(crash_state.fd)) set_mode(crash_state.fd, crash_state.cooked);
  crash_state.armed.store(false);
}

/// True for a fault that occurs again when the handler returns to the instruction.
bool happens_again(int signal, const siginfo_t& info) noexcept {
  if (info.si_code <= 0) return false;  // sent by a process
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE;
}

void on_end(int signal, siginfo_t* info, void*) noexcept {
  const int saved_errno = errno;
  give_back();
  ::sigaction(signal, &crash_state.previous[static_cast<size_t>(signal)], nullptr);
  // The signal is blocked until this returns. Then it has its effect with the previous handler.
  if (!happens_again(signal, *info)) ::raise(signal);
  errno = saved_errno;
}

void install_handlers() noexcept {
  ::sigaltstack(nullptr, &crash_state.previous_stack);
  // A sanitizer may have set up its own stack.
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
    // Fails for signals that the C library reserves.
    if (::sigaction(signal, &action, &previous) != 0) continue;
    // An ignored signal does not end the process.
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

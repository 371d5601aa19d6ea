#include "vmm/host/signals.hpp"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

#include "base/error.hpp"
#include "base/eventfd.hpp"
#include "base/kick_signal.hpp"
#include "base/log.hpp"

namespace rvvmm {
namespace {

constexpr std::array kEndingSignals{SIGTERM, SIGINT, SIGHUP, SIGQUIT};

int exit_status_for(int signal) noexcept {
  return static_cast<int>(ExitStatus::kSignalBase) + signal;
}

[[noreturn]] void end_now(int signal) noexcept {
  Terminal::restore_in_crash();
  ::_exit(exit_status_for(signal));
}

// An ending signal that came outside the loop. A signal handler can only use statics; there is only one Signals.
struct Kept {
  std::atomic<int> signal = 0;
  int wake = -1;  // eventfd that the loop watches
};
constinit Kept kept;
static_assert(std::atomic<int>::is_always_lock_free);

void keep_or_end(int signal) noexcept {
  const int saved_errno = errno;
  if (kept.signal.exchange(signal) != 0) end_now(signal);
  add_one(kept.wake);
  errno = saved_errno;
}

void handle(const sigset_t& signals, void (*handler)(int)) noexcept {
  struct sigaction action{};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  for (const int signal : kEndingSignals) {
    if (::sigismember(&signals, signal) == 1) ::sigaction(signal, &action, nullptr);
  }
}

bool is_ignored(int signal) noexcept {
  struct sigaction now{};
  return ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

// A blocked signal is queued even if it is ignored, so ignored signals must not be in the set.
sigset_t ending_set() noexcept {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : kEndingSignals) {
    if (!is_ignored(signal)) ::sigaddset(&set, signal);
  }
  return set;
}

Fd open_signalfd(sigset_t served, sigset_t& old_mask) {
  ::sigaddset(&served, SIGTSTP);
  ::sigaddset(&served, SIGCONT);
  ::sigaddset(&served, SIGUSR1);
  ::sigaddset(&served, SIGUSR2);
  ::sigaddset(&served, SIGWINCH);
  sigset_t blocked = served;
  ::sigaddset(&blocked, kKickSignal);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &old_mask);
  Fd fd{::signalfd(-1, &served, SFD_CLOEXEC | SFD_NONBLOCK)};
  if (!fd) throw SetupError::from_errno(ExitStatus::kInternal, "signalfd", errno);
  return fd;
}

}  // namespace

Signals::Signals(EventLoop& loop, Terminal& terminal)
    : loop_(loop),
      terminal_(terminal),
      ending_(ending_set()),
      fd_(open_signalfd(ending_, old_mask_)),
      watch_(loop, fd_.get(), [this] { on_signal(); }),
      kept_fd_(open_eventfd("eventfd for signals")),
      kept_watch_(loop, kept_fd_.get(), [this] {
        take_count(kept_fd_.get());
        if (const int signal = kept.signal.exchange(0); signal != 0) on_ending(signal);
      }) {
  kept.signal = 0;
  kept.wake = kept_fd_.get();
  handle(ending_, keep_or_end);
  // signalfd receives a blocked signal even if it is ignored. SIG_IGN also means that a signal which is still pending
  // when ~Signals() unblocks it does not end the process.
  ::signal(SIGUSR1, SIG_IGN);
  ::signal(SIGUSR2, SIG_IGN);
}

Signals::~Signals() {
  // A signal that came after the loop ended may end the process as soon as it is unblocked.
  terminal_.restore();
  handle(ending_, SIG_DFL);
  ::pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

void Signals::set_in_loop(bool in_loop) noexcept {
  if (!stopping_) ::pthread_sigmask(in_loop ? SIG_BLOCK : SIG_UNBLOCK, &ending_, nullptr);
}

void Signals::on_signal() {
  signalfd_siginfo info{};
  if (::read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return;
  const int signal = static_cast<int>(info.ssi_signo);
  switch (signal) {
    case SIGTSTP:
      terminal_.restore();
      ::kill(::getpid(), SIGSTOP);
      return terminal_.enter_raw();
    case SIGCONT: terminal_.enter_raw(); return on_resize_();
    case SIGWINCH: return on_resize_();
    case SIGUSR1: return on_dump_();
    case SIGUSR2: return on_wake_();
    default: return on_ending(signal);
  }
}

void Signals::on_ending(int signal) {
  if (!power_key_takes(signal)) end(signal);
}

void Signals::set_on_power_key(std::function<bool()> on_power_key) {
  on_power_key_ = std::move(on_power_key);
  power_key_pressed_ = false;
}

bool Signals::power_key_takes(int signal) {
  if (signal != SIGTERM || stopping_ || power_key_pressed_) return false;
  power_key_pressed_ = on_power_key_();
  if (power_key_pressed_) {
    log::line(log::Module::kVmm, log::Level::kInfo,
              "signal {}: power key pressed, the guest may power off; the next signal stops it", signal);
  }
  return power_key_pressed_;
}

void Signals::end(int signal) {
  if (stopping_) end_now(signal);
  stopping_ = true;
  loop_.stop({.kind = StopReason::Kind::kExit, .status = exit_status_for(signal)});
  // From here on the main thread may be busy joining other threads, so the next signal must not need the loop.
  handle(ending_, end_now);
  ::pthread_sigmask(SIG_UNBLOCK, &ending_, nullptr);
  log::line(log::Module::kVmm, log::Level::kInfo, "signal {}: stopping", signal);
}

}  // namespace rvvmm

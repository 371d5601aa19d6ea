// A timer that kicks the thread which made it.
#pragma once

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <ctime>

#include "base/kick_signal.hpp"

namespace rvvmm {

/// Sends kKickSignal to the thread that makes it, again and again, once it is armed. That thread arms it; any may
/// destroy it. With CLOCK_THREAD_CPUTIME_ID it counts the CPU time of that thread, in the guest too, so that a thread
/// which sleeps gets no signal; the kernel looks at its own timer tick, a few milliseconds apart.
class KickTimer {
 public:
  explicit KickTimer(clockid_t clock) noexcept {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = kKickSignal;
    event._sigev_un._tid = ::gettid();  // glibc has no other name for it before 2.41
    made_ = ::timer_create(clock, &event, &timer_) == 0;
  }
  ~KickTimer() {
    if (made_) ::timer_delete(timer_);
  }
  KickTimer(const KickTimer&) = delete;
  KickTimer& operator=(const KickTimer&) = delete;

  /// False where the host has no more timers for this user (RLIMIT_SIGPENDING).
  explicit operator bool() const noexcept { return made_; }

  /// After each `interval` from now on; zero: no more.
  void arm_every(std::chrono::nanoseconds interval) noexcept {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(interval);
    const timespec time{.tv_sec = static_cast<time_t>(seconds.count()),
                        .tv_nsec = static_cast<long>((interval - seconds).count())};
    const itimerspec every{.it_interval = time, .it_value = time};
    if (made_) ::timer_settime(timer_, 0, &every, nullptr);
  }

 private:
  timer_t timer_{};
  bool made_ = false;
};

}  // namespace rvvmm

// A timer that kicks the thread that created it.
#pragma once

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <ctime>

#include "base/kick_signal.hpp"

namespace rvvmm {

/// While armed, sends kKickSignal periodically to the thread that created it. Only that thread may arm it; any thread
/// may destroy it. With CLOCK_THREAD_CPUTIME_ID it counts that thread's CPU time, including guest time, so a sleeping
/// thread gets no signal. The kernel checks that clock only at its own timer tick, every few milliseconds.
class KickTimer {
 public:
  explicit KickTimer(clockid_t clock) noexcept {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = kKickSignal;
    event._sigev_un._tid = ::gettid();  // glibc before 2.41 has no other name for it
    made_ = ::timer_create(clock, &event, &timer_) == 0;
  }
  ~KickTimer() {
    if (made_) ::timer_delete(timer_);
  }
  KickTimer(const KickTimer&) = delete;
  KickTimer& operator=(const KickTimer&) = delete;

  /// False if the host has no more timers for this user (RLIMIT_SIGPENDING).
  explicit operator bool() const noexcept { return made_; }

  /// Sends the signal after each `interval` from now on. Zero stops it.
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

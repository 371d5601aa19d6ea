// A timer in the guest's time, for a machine that sleeps.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "vmm/host/event_loop.hpp"

namespace rvvmm {

/// Made and destroyed on the event loop's thread, armed and disarmed by any. Never early: the host's clocks and the one
/// that the guest reads do not run quite alike, so that one is asked at the end.
class WakeTimer {
 public:
  struct Parts {
    EventLoop& loop;
    std::function<uint64_t()>
        ticks;             ///< the clock that the guest reads, but for a difference; loop's and arm()'s threads
    uint64_t timebase_hz;  ///< its ticks a second, not 0
    EventLoop::Callback on_expiry;
  };

  explicit WakeTimer(Parts parts);

  /// Once, when so many ticks have passed; any number. Replaces what was armed.
  void arm(uint64_t ticks) noexcept;
  /// The callback may still run once if it is under way.
  void disarm() noexcept;

  /// How long to sleep for so many ticks, rounded up; at most ten years, behind which the clock is asked again.
  static std::chrono::nanoseconds duration(uint64_t ticks, uint64_t timebase_hz) noexcept;

 private:
  static constexpr uint64_t kNever = UINT64_MAX;

  void sleep(uint64_t ticks) noexcept;
  void look();

  Parts parts_;
  std::atomic<uint64_t> deadline_ = kNever;  // in ticks
  Timer timer_;
};

}  // namespace rvvmm

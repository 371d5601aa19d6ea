// A timer for a machine that sleeps. It counts in the guest's time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "vmm/host/event_loop.hpp"

namespace rvvmm {

/// Made and destroyed on the event loop's thread; any thread may arm and disarm it. It never expires early: the host's
/// clocks and the guest's clock do not run at exactly the same rate, so it checks the guest's clock at the end.
class WakeTimer {
 public:
  struct Parts {
    EventLoop& loop;
    std::function<uint64_t()>
        ticks;             ///< the guest's clock, up to a constant; called on the threads of the loop and of arm()
    uint64_t timebase_hz;  ///< ticks per second, not 0
    EventLoop::Callback on_expiry;
  };

  explicit WakeTimer(Parts parts);

  /// Expires once, after `ticks`, which may be any number. Replaces an earlier arm().
  void arm(uint64_t ticks) noexcept;
  /// If the callback is under way, it may still run once.
  void disarm() noexcept;

  /// How long `ticks` take, rounded up. At most ten years; then the timer checks the clock again.
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

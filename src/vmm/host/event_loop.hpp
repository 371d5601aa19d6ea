// The main thread's event loop: descriptors, timers, wake-ups from other threads, and the reason to end.
#pragma once

#include <poll.h>
#include <sys/timerfd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <functional>
#include <optional>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "base/mutex.hpp"

namespace rvvmm {

/// Why EventLoop::run() returned.
struct StopReason {
  enum class Kind : uint8_t {
    kExit,   ///< end rvvmm with `status`
    kReset,  ///< the guest asked for a reset: build the machine again
  };
  Kind kind = Kind::kExit;
  int status = 0;  ///< exit status of the process; 0 for kReset

  friend bool operator==(const StopReason&, const StopReason&) = default;
};

/// Sleeps in poll(2) until something happens; an idle loop is never woken. Callbacks run on the thread that is
/// in run(), one at a time. They must not throw, and must not destroy the Watch, Timer or Notifier that
/// called them. Watches, timers and notifiers go before the loop does.
class EventLoop {
 public:
  using Callback = std::function<void()>;

  class Watch;
  class Timer;

  /// Throws SetupError (kInternal).
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  /// Serves events until stop() was called, also before run(); returns the reason given first, or kExit where that
  /// came after kReset, and forgets it, so that run() may be called again after a reset.
  StopReason run();

  /// Serves what is ready and does not wait: for the loop's thread while it does something long. True: stop() was
  /// called, and run() would return at once.
  bool serve();

  /// Any thread.
  void stop(StopReason reason) noexcept;

 private:
  void poll_once(int timeout);
  void set_timers();
  /// Any thread. The loop looks at its timers before it sleeps; wakes it for that if it may sleep now.
  void look_at_timers() noexcept;
  bool is_stopped() noexcept;
  void dispatch();
  void compact() noexcept;

  std::vector<Watch*> watches_;  // nullptr: gone while a round of callbacks was under way
  std::vector<Timer*> timers_;
  std::vector<pollfd> polled_;
  std::atomic<std::thread::id> runner_;  // the thread that is in run() or serve(), or was last
  std::atomic<bool> timers_have_changed_ = false;
  Mutex mu_;
  std::optional<StopReason> stop_reason_ GUARDED_BY(mu_);
  Fd wake_;
};

/// Calls back while a descriptor is readable, hung up or in error. The loop's thread only.
class EventLoop::Watch {
 public:
  /// `fd` stays the caller's, and open for the life of the watch. Enabled at first.
  Watch(EventLoop& loop, int fd, Callback on_readable);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// A watch that is not enabled does not wake the loop, whatever happens to its descriptor.
  void set_enabled(bool enabled) noexcept { enabled_ = enabled; }
  bool enabled() const noexcept { return enabled_; }

 private:
  friend class EventLoop;
  EventLoop& loop_;
  int fd_;
  bool enabled_ = true;
  Callback on_readable_;
};

/// Made and destroyed on the loop's thread, armed and disarmed by any. The loop makes its descriptor when it is armed
/// for the first time, since most never are. Where the host has none then, a line says so, and the timer does not
/// expire.
class EventLoop::Timer {
 public:
  /// `clock`: CLOCK_MONOTONIC, CLOCK_BOOTTIME or CLOCK_REALTIME; the last one follows when the host's time is set.
  Timer(EventLoop& loop, clockid_t clock, Callback on_expiry);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Once, at `time` of the timer's clock; a time that has passed expires now. Replaces what was armed.
  void arm_at(std::chrono::nanoseconds time) noexcept;
  /// First after one `period` (more than zero), then again and again; expiries that come late are one call.
  void arm_every(std::chrono::nanoseconds period) noexcept;
  /// The callback may still run once if it is under way.
  void disarm() noexcept;

 private:
  friend class EventLoop;
  /// What timerfd_settime() is to be told.
  struct Setting {
    itimerspec times{};
    int flags = 0;
  };
  void set(const Setting& setting) noexcept;
  /// The loop's thread: tells the kernel what was last asked for.
  void apply();
  void on_readable();

  EventLoop& loop_;
  const clockid_t clock_;
  Callback on_expiry_;
  Mutex mu_;
  std::optional<Setting> wanted_ GUARDED_BY(mu_);  // not applied yet
  Fd fd_;
  std::optional<Watch> watch_;
};
using Timer = EventLoop::Timer;

/// Wakes the loop from other threads: made and destroyed on the loop's thread, notify() by any, without allocation.
class Notifier {
 public:
  /// Throws SetupError (kInternal).
  Notifier(EventLoop& loop, EventLoop::Callback on_notified);

  /// Any thread: the callback runs once on the loop's thread after the last notify(); several may become one.
  void notify() noexcept;

 private:
  Fd fd_;
  EventLoop::Watch watch_;
};

}  // namespace rvvmm

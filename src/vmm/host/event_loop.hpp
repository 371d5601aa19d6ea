// The main thread's event loop: descriptors, timers, wake-ups from other threads, and the reason to stop.
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
/// called them. Watches, timers and notifiers must be destroyed before the loop.
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

  /// Serves events until stop() is called; stop() may also come before run(). Returns the first reason, but kExit if
  /// that came after kReset. Clears the reason, so that run() may be called again after a reset.
  StopReason run();

  /// Serves events that are ready and does not wait. The loop's thread calls this during long work. True: stop() was
  /// called, and run() would return immediately.
  bool serve();

  /// Any thread.
  void stop(StopReason reason) noexcept;

 private:
  void poll_once(int timeout);
  /// False: the host refuses the descriptor of a timer, which must be tried again.
  bool set_timers();
  /// Any thread. Makes the loop apply its timers before it sleeps; wakes the loop if it may be asleep.
  void look_at_timers() noexcept;
  bool is_stopped() noexcept;
  void dispatch();
  void compact() noexcept;

  std::vector<Watch*> watches_;  // nullptr: removed during a round of callbacks
  std::vector<Timer*> timers_;
  std::vector<pollfd> polled_;
  std::atomic<std::thread::id> runner_;  // the thread that is in run() or serve(), or was there last
  std::atomic<bool> timers_have_changed_ = false;
  Mutex mu_;
  std::optional<StopReason> stop_reason_ GUARDED_BY(mu_);
  Fd wake_;
};

/// Calls back while a descriptor is readable, hung up or in error. The loop's thread only.
class EventLoop::Watch {
 public:
  /// The caller keeps `fd`, and must keep it open during the lifetime of the watch. The watch starts enabled.
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

/// Made and destroyed on the loop's thread, armed and disarmed by any thread. The loop makes the timer's descriptor
/// when the timer is first armed: most are never armed, and a hart cannot make one for the loop (OwnDescriptors). If
/// the host refuses the descriptor, rvvmm logs it, and the loop asks for it again each second.
class EventLoop::Timer {
 public:
  /// `clock`: CLOCK_MONOTONIC, CLOCK_BOOTTIME or CLOCK_REALTIME; CLOCK_REALTIME follows changes of the host's time.
  Timer(EventLoop& loop, clockid_t clock, Callback on_expiry);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Expires once, at `time` of the timer's clock; immediately if `time` has passed. Replaces the previous setting.
  void arm_at(std::chrono::nanoseconds time) noexcept;
  /// Expires after each `period` (more than zero). Several late expiries cause one call.
  void arm_every(std::chrono::nanoseconds period) noexcept;
  /// The callback may still run once if it is under way.
  void disarm() noexcept;

 private:
  friend class EventLoop;
  /// The arguments for timerfd_settime().
  struct Setting {
    itimerspec times{};
    int flags = 0;
  };
  void set(const Setting& setting) noexcept;
  /// The loop's thread: passes the last setting to the kernel. False: the host has no descriptor for the timer now.
  bool apply();
  bool make_descriptor();
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

/// Wakes the loop from other threads. Made and destroyed on the loop's thread. Any thread may call notify(), which does
/// not allocate.
class Notifier {
 public:
  /// Throws SetupError (kInternal).
  Notifier(EventLoop& loop, EventLoop::Callback on_notified);

  /// Any thread. The callback runs on the loop's thread after the last notify(); several notify() may cause one call.
  void notify() noexcept;

 private:
  Fd fd_;
  EventLoop::Watch watch_;
};

}  // namespace rvvmm

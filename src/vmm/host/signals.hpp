// The signals that end, suspend and continue rvvmm, served by the event loop.
#pragma once

#include <csignal>
#include <functional>

#include "base/fd.hpp"
#include "vmm/host/event_loop.hpp"
#include "vmm/host/terminal.hpp"

namespace rvvmm {

/// Made on the main thread before any thread is started: blocks the signals it serves and kKickSignal, which
/// the threads inherit.
///
/// SIGTERM, SIGINT, SIGHUP and SIGQUIT are the ending signals: they stop the loop with status 128 + N. A signal that
/// was ignored when rvvmm started (nohup, `&` in a script) stays ignored. The next ending signal restores the terminal
/// and ends the process immediately, whatever the main thread does. Outside the loop the main thread may wait for a
/// disk or an endless file: there the first ending signal is kept for the loop, and the next one ends the process in
/// the same way. If there is a power key, the first SIGTERM only presses it; later signals act as usual. SIGUSR1 asks
/// what the harts did last. SIGUSR2 wakes a sleeping guest. SIGTSTP restores the terminal and stops rvvmm; SIGCONT
/// makes the terminal raw again.
class Signals {
 public:
  /// Throws SetupError (kInternal).
  Signals(EventLoop& loop, Terminal& terminal);
  /// Restores the terminal, the handlers and this thread's mask. SIGUSR1 and SIGUSR2 stay ignored.
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// `in_loop`: the main thread is in the loop or will enter it soon; true at first. Otherwise ending signals are
  /// unblocked in the main thread, and threads that it starts then must block them. Only the main thread calls this.
  void set_in_loop(bool in_loop) noexcept;

  /// SIGUSR2 calls `on_wake`; it does nothing before this is set. The event loop's thread.
  void set_on_wake(std::function<void()> on_wake) { on_wake_ = std::move(on_wake); }
  /// SIGUSR1 calls `on_dump`; it does nothing before this is set. The event loop's thread.
  void set_on_dump(std::function<void()> on_dump) { on_dump_ = std::move(on_dump); }
  /// SIGWINCH and SIGCONT call `on_resize`: the terminal's size may have changed. The event loop's thread.
  void set_on_resize(std::function<void()> on_resize) { on_resize_ = std::move(on_resize); }
  /// The first SIGTERM from here on calls `on_power_key`. It returns true if it has told the guest to power off; the
  /// signal then has no other effect. The event loop's thread.
  void set_on_power_key(std::function<bool()> on_power_key);

 private:
  void on_signal();
  void on_ending(int signal);
  bool power_key_takes(int signal);
  void end(int signal);

  EventLoop& loop_;
  Terminal& terminal_;
  sigset_t ending_;
  sigset_t old_mask_;
  bool stopping_ = false;
  std::function<void()> on_wake_ = [] {};
  std::function<void()> on_dump_ = [] {};
  std::function<void()> on_resize_ = [] {};
  std::function<bool()> on_power_key_ = [] { return false; };
  bool power_key_pressed_ = false;
  Fd fd_;
  EventLoop::Watch watch_;
  Fd kept_fd_;
  EventLoop::Watch kept_watch_;
};

}  // namespace rvvmm

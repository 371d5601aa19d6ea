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
/// SIGTERM, SIGINT, SIGHUP and SIGQUIT stop the loop with status 128 + N; one that was ignored when rvvmm started
/// (nohup, `&` in a script) stays ignored. The next one after that ends the process at once, terminal restored,
/// whatever the main thread is doing. Outside of the loop, where it may wait for a disk or a file without an end, the
/// first one is kept for the loop, and the next one ends the process just so. A SIGTERM that somebody takes for a press
/// of the power key stops nothing, once; the next one counts like any. SIGUSR1 asks what the harts did last, SIGUSR2
/// wakes a guest that sleeps. SIGTSTP gives the terminal back and stops us; SIGCONT makes it raw again.
class Signals {
 public:
  /// Throws SetupError (kInternal).
  Signals(EventLoop& loop, Terminal& terminal);
  /// Handlers and this thread's mask are as they were, but for SIGUSR1 and SIGUSR2, which stay ignored.
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// Whether the main thread is in the loop, or comes to it soon; true at first. The main thread, which lets ending
  /// signals in where it is not: threads that it starts then have to block them.
  void set_in_loop(bool in_loop) noexcept;

  /// What SIGUSR2 does; nothing until then. The event loop's thread.
  void set_on_wake(std::function<void()> on_wake) { on_wake_ = std::move(on_wake); }
  /// What SIGUSR1 does; nothing until then. The event loop's thread.
  void set_on_dump(std::function<void()> on_dump) { on_dump_ = std::move(on_dump); }
  /// What SIGWINCH does, and SIGCONT: the terminal may have another size; nothing until then. The event loop's thread.
  void set_on_resize(std::function<void()> on_resize) { on_resize_ = std::move(on_resize); }
  /// What the first SIGTERM does from here on: true if the guest has been told to power off by itself, and the signal
  /// is done with. The event loop's thread.
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

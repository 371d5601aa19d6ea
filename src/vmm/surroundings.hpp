// The host's side of a run, which all its machines share: event loop, signals, terminal and console.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>

#include "base/guest_memory.hpp"
#include "vmm/console/console_hub.hpp"
#include "vmm/console/console_place.hpp"
#include "vmm/host/event_loop.hpp"
#include "vmm/host/signals.hpp"
#include "vmm/host/terminal.hpp"
#include "vmm/machine/pause_key.hpp"
#include "vmm/machine/virtio_devices.hpp"
#include "vmm/options/config.hpp"
#include "vmm/watch/break_prompt.hpp"
#include "vmm/watch/exit_breaker.hpp"
#include "vmm/watch/panic_watch.hpp"

namespace rvvmm {

/// Adds the virtio console to `virtio` if `config` asks for one. `place` is where `console` writes.
void add_virtio_console(const Config& config, VirtioDevices& virtio, ConsoleHub& console, const ConsolePlace& place);

/// Outlives each machine of a run. The terminal is raw while this object lives. Main thread only.
class Surroundings {
 public:
  struct Parts {
    const Config& config;
    VirtioDevices& virtio;
    const GuestMemory& memory;
    ExitBreaker* breaker;  ///< null without --break
  };

  /// All of `parts` must outlive this object. Throws SetupError.
  explicit Surroundings(const Parts& parts);
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

  EventLoop& loop() noexcept { return loop_; }
  Signals& signals() noexcept { return signals_; }
  ConsoleHub& console() noexcept { return console_; }
  /// True if stderr and the guest's console go to the same place, so that a reader of stderr sees both.
  bool console_is_in_view() const noexcept { return console_is_in_view_; }
  /// nullptr if there is no terminal, or if nothing can stop at a prompt.
  BreakPrompt* prompt() noexcept { return prompt_ ? &*prompt_ : nullptr; }
  PauseKey& pause_key() noexcept { return pause_key_; }
  /// nullptr without --panic-pattern.
  PanicWatch* panic_watch() noexcept { return panic_watch_ ? &*panic_watch_ : nullptr; }

 private:
  void serve_virtio_console();
  void look_at_size();
  void watch_output();

  const Parts parts_;
  EventLoop loop_;
  const std::unique_ptr<ConsolePlace> place_;
  Terminal terminal_;
  const bool breaks_ask_;
  Signals signals_;  // after the members that may fail; from here on a signal that ends rvvmm is served
  const bool console_is_in_view_;
  std::optional<Notifier> output_room_;  // only with a virtio console
  ConsoleHub console_;                   // its thread uses members above
  std::optional<PanicWatch> panic_watch_;
  std::optional<BreakPrompt> prompt_;
  PauseKey pause_key_;
  std::unique_ptr<ConsoleInput> input_;
  Notifier first_output_;
  std::list<EventLoop::Watch> doorbells_;
};

}  // namespace rvvmm

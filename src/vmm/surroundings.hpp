// What is around the machines of a run, on the host's side: event loop, signals, terminal and console.
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
#include "vmm/machine/virtio_devices.hpp"
#include "vmm/options/config.hpp"
#include "vmm/watch/break_prompt.hpp"
#include "vmm/watch/exit_breaker.hpp"
#include "vmm/watch/panic_watch.hpp"

namespace rvvmm {

/// Adds the virtio console to `virtio` where `config` asks for one; `place` is where `console` goes.
void add_virtio_console(const Config& config, VirtioDevices& virtio, ConsoleHub& console, const ConsolePlace& place);

/// Outlives each machine of a run. The terminal is raw for as long as this lives. The main thread.
class Surroundings {
 public:
  struct Parts {
    const Config& config;
    VirtioDevices& virtio;
    const GuestMemory& memory;
    ExitBreaker* breaker;  ///< null without --break
  };

  /// All of `parts` outlives it. Throws SetupError.
  explicit Surroundings(const Parts& parts);
  Surroundings(const Surroundings&) = delete;
  Surroundings& operator=(const Surroundings&) = delete;

  EventLoop& loop() noexcept { return loop_; }
  Signals& signals() noexcept { return signals_; }
  ConsoleHub& console() noexcept { return console_; }
  /// Whether who reads stderr has just read the guest's console too.
  bool console_is_in_view() const noexcept { return console_is_in_view_; }
  /// nullptr: there is no terminal, or nothing to ask.
  BreakPrompt* prompt() noexcept { return prompt_ ? &*prompt_ : nullptr; }
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
  Signals signals_;  // what is above may fail and say so; an ending signal finds the rest served
  const bool console_is_in_view_;
  std::optional<Notifier> output_room_;  // with a virtio console
  ConsoleHub console_;                   // its thread uses what is above
  std::optional<PanicWatch> panic_watch_;
  std::optional<BreakPrompt> prompt_;
  std::unique_ptr<ConsoleInput> input_;
  Notifier first_output_;
  std::list<EventLoop::Watch> doorbells_;
};

}  // namespace rvvmm

#include "vmm/surroundings.hpp"

#include <unistd.h>

#include <span>

#include "base/error.hpp"
#include "vmm/harts/vcpu_thread.hpp"
#include "vmm/options/option_values.hpp"

namespace rvvmm {
namespace {

/// True if a break opens a prompt. Throws SetupError (kUsage) if a prompt was asked for and there is no terminal.
bool breaks_ask(const Surroundings::Parts& parts, const Terminal& terminal) {
  const std::optional<OnBreak>& choice = parts.config.on_break;
  if (parts.breaker == nullptr || choice.value_or(OnBreak::kPrompt) != OnBreak::kPrompt) return false;
  if (terminal.is_terminal() || !choice) return terminal.is_terminal();
  throw usage("--on-break: prompt: the guest's console is not on a terminal; give continue, dump or exit");
}

}  // namespace

void add_virtio_console(const Config& config, VirtioDevices& virtio, ConsoleHub& console, const ConsolePlace& place) {
  if (config.console.device != ConsoleDevice::kVirtio) return;
  virtio.add_console({.out = console, .in = console, .has_size = place.size().has_value()});
}

Surroundings::Surroundings(const Parts& parts)
    : parts_(parts),
      place_(open_console_place(parts.config.console)),
      terminal_(place_->terminal_fd()),
      breaks_ask_(breaks_ask(parts, terminal_)),
      signals_(loop_, terminal_),
      console_is_in_view_(go_to_the_same_place(place_->output_fd(), STDERR_FILENO)),
      console_(place_->output_fd(), place_->reader()),
      first_output_(loop_, [this] { console_.launch(); }) {
  terminal_.enter_raw();
  add_virtio_console(parts.config, parts.virtio, console_, *place_);
  serve_virtio_console();
  signals_.set_on_resize([this] { look_at_size(); });
  watch_output();
  if (breaks_ask_ || (terminal_.is_terminal() && parts.config.on_panic == OnPanic::kStop)) {
    prompt_.emplace(BreakPrompt::Parts{.loop = loop_,
                                       .terminal = terminal_,
                                       .console = console_,
                                       .memory = parts.memory,
                                       .breaker = breaks_ask_ ? parts.breaker : nullptr});
  }
  input_ = place_->take_input({.loop = loop_,
                               .terminal = terminal_,
                               .console = console_,
                               .on_resize = [this] { look_at_size(); },
                               .on_pause_key = [this] { pause_key_.press(); },
                               .taker = prompt()});
  VcpuThread::install_kick_handler();
  // The main thread starts the console's thread: one that a hart started would inherit the hart's CPU and signals.
  console_.start(
      [this] { first_output_.notify(); },
      [this] { loop_.stop({.kind = StopReason::Kind::kExit, .status = static_cast<int>(ExitStatus::kInternal)}); });
  doorbells_ = parts.virtio.watch_doorbells(loop_);
}

void Surroundings::serve_virtio_console() {
  VirtioConsole* const device = parts_.virtio.console();
  if (device == nullptr) return;
  output_room_.emplace(loop_, [device] { device->on_output_room(); });
  console_.set_on_output_room([this] { output_room_->notify(); });
  look_at_size();
}

void Surroundings::look_at_size() {
  VirtioConsole* const device = parts_.virtio.console();
  if (device != nullptr) device->set_size(place_->size().value_or(ConsoleSize{}));
}

void Surroundings::watch_output() {
  if (parts_.config.panic_patterns.empty()) return;
  panic_watch_.emplace(loop_, parts_.config.panic_patterns);
  console_.set_on_output([this](std::span<const std::byte> output) { panic_watch_->take(output); });
}

}  // namespace rvvmm

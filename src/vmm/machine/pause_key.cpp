#include "vmm/machine/pause_key.hpp"

#include <format>
#include <string_view>

#include "base/line_output.hpp"

namespace rvvmm {
namespace {

void show(std::string_view text) noexcept {
  standard_error().write(text);
}

}  // namespace

void PauseKey::set_machine(MachineControl* machine) {
  machine_ = machine;
  if (machine_ == nullptr) return;
  machine_->set_listener(
      PauseOwner::kUser,
      {.on_quiet = [] { show("\nrvvmm: the machine is paused; Ctrl-A p lets it go on\n"); },
       .on_wait =
           [this] {
             show(std::format("\nrvvmm: the pause waits for {}; Ctrl-A p gives it up\n", machine_->waits_for()));
           }});
  if (paused_) machine_->pause(PauseOwner::kUser);
}

void PauseKey::press() {
  paused_ = !paused_;
  if (paused_ && machine_ != nullptr) machine_->pause(PauseOwner::kUser);
  if (paused_) return;
  if (machine_ == nullptr) return show("rvvmm: the pause is given up\n");
  const std::string_view end = machine_->is_quiet() ? "" : "the pause is given up; ";
  machine_->resume(PauseOwner::kUser);
  show(std::format("rvvmm: {}the machine {}\n", end, machine_->is_paused() ? "is still stopped" : "goes on"));
}

}  // namespace rvvmm

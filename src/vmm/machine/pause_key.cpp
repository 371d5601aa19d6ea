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
  const bool was_quiet = machine_ != nullptr && machine_->is_quiet();
  show(was_quiet ? "rvvmm: the machine goes on\n" : "rvvmm: the pause is given up; the machine goes on\n");
  if (machine_ != nullptr) machine_->resume(PauseOwner::kUser);
}

}  // namespace rvvmm

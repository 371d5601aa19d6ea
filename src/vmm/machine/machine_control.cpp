#include "vmm/machine/machine_control.hpp"

#include <algorithm>
#include <format>
#include <utility>

#include "base/log.hpp"

namespace rvvmm {
namespace {

using std::chrono::nanoseconds;

/// For Timer::arm_at().
nanoseconds from_now(nanoseconds duration) noexcept {
  return std::chrono::steady_clock::now().time_since_epoch() + duration;
}

}  // namespace

MachineControl::MachineControl(Parts parts)
    : parts_(std::move(parts)),
      look_(parts_.loop, CLOCK_MONOTONIC, [this] { look(); }),
      patience_(parts_.loop, CLOCK_MONOTONIC, [this] {
        if (is_paused() && !is_quiet_) listener_.on_wait();
      }) {}

MachineControl::~MachineControl() {
  for (VirtioDevice* const device : parts_.devices)
    device->go_on();
}

void MachineControl::begin(std::span<const std::unique_ptr<VcpuThread>> threads) {
  threads_ = threads;
  if (is_paused()) hold_all();
}

void MachineControl::end() noexcept {
  threads_ = {};
  owners_ = 0;
  is_quiet_ = false;
  look_.disarm();
  patience_.disarm();
  parts_.console.set_paused(false);
}

void MachineControl::pause(PauseOwner owner) {
  const bool was_paused = is_paused();
  owners_ = static_cast<uint8_t>(owners_ | static_cast<uint8_t>(owner));
  if (was_paused) {
    if (is_quiet_) listener_.on_quiet();
  } else if (!threads_.empty()) {
    hold_all();
  }
}

// The console first: harts that wait for its reader can then leave their exits.
void MachineControl::hold_all() {
  paused_at_ = std::chrono::steady_clock::now();
  parts_.on_pause();
  parts_.console.set_paused(true);
  for (const auto& thread : threads_)
    thread->pause();
  for (VirtioDevice* const device : parts_.devices)
    device->hold();
  patience_.arm_at(from_now(kPatience));
}

bool MachineControl::devices_are_quiet() const noexcept {
  return std::ranges::all_of(parts_.devices, [](const VirtioDevice* device) { return device->is_quiet(); });
}

bool MachineControl::harts_rest() const noexcept {
  return std::ranges::all_of(threads_, [](const auto& thread) { return thread->rests(); });
}

// A hart posts a task to another one only while it waits for the answer, so it does not rest itself then. A device
// posts tasks while it has a request in hand. So when the devices are quiet, and then each hart rests, all do.
void MachineControl::look() {
  if (!is_paused() || is_quiet_ || threads_.empty()) return;
  const bool devices_are_quiet = this->devices_are_quiet();
  if (!harts_rest()) return;  // each hart that comes to rest calls again
  if (devices_are_quiet) return become_quiet();
  const bool is_late = std::chrono::steady_clock::now() - paused_at_ > kPatience;
  look_.arm_at(from_now(is_late ? kBetweenLateLooks : kBetweenLooks));
}

void MachineControl::become_quiet() {
  is_quiet_ = true;
  patience_.disarm();
  time_ = parts_.vcpus.front()->get(HartRegister::kTime);
  log::line(
      log::Module::kVmm, log::Level::kDebug, "paused: quiet after {} us",
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - paused_at_).count());
  listener_.on_quiet();
}

std::string MachineControl::waits_for() const {
  std::string waits;
  const auto add = [&waits](std::string_view what) {
    if (!waits.empty()) waits += ", ";
    waits += what;
  };
  for (size_t hart = 0; hart < threads_.size(); ++hart) {
    if (!threads_[hart]->rests()) add(std::format("hart {}", hart));
  }
  for (const VirtioDevice* const device : parts_.devices) {
    if (!device->is_quiet()) add(device->name());
  }
  return waits;
}

// The time is the same for all harts: writing it on one of them is enough (docs/kvm-quirks.md).
void MachineControl::resume(PauseOwner owner) {
  const bool was_paused = is_paused();
  owners_ = static_cast<uint8_t>(owners_ & ~static_cast<uint8_t>(owner));
  if (!was_paused || is_paused() || threads_.empty()) return;
  patience_.disarm();
  look_.disarm();
  const auto time = std::exchange(time_, std::nullopt);
  if (time && !parts_.vcpus.front()->set(HartRegister::kTime, *time)) {
    log::line(log::Module::kVmm, log::Level::kError, "the guest's time cannot be set back: it sees the pause");
  }
  is_quiet_ = false;
  parts_.on_resume(time);
  for (VirtioDevice* const device : parts_.devices)
    device->go_on();
  parts_.console.set_paused(false);
  for (const auto& thread : threads_)
    thread->resume();
}

}  // namespace rvvmm

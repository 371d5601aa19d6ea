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
        if (!is_quiet_) tell(&Listener::on_wait);
      }) {}

MachineControl::~MachineControl() {
  for (VirtioDevice* const device : parts_.devices)
    device->go_on();
}

void MachineControl::begin(std::span<const std::unique_ptr<VcpuThread>> threads) {
  {
    const LockGuard lock{mu_};
    threads_ = threads;
  }
  if (is_paused()) hold_all();
}

void MachineControl::end() noexcept {
  {
    const LockGuard lock{mu_};
    threads_ = {};
    requests_.fill(Request::kNone);
  }
  owners_.reset();
  is_quiet_ = false;
  look_.disarm();
  patience_.disarm();
  parts_.console.set_paused(false);
}

void MachineControl::pause(PauseOwner owner) {
  const bool was_paused = is_paused();
  owners_.set(static_cast<size_t>(owner));
  if (!was_paused) return hold_all();
  const Listener& listener = listeners_[static_cast<size_t>(owner)];
  if (is_quiet_) {
    listener.on_quiet();
  } else if (is_late()) {
    listener.on_wait();
  }
}

void MachineControl::ask(PauseOwner owner, Request request) noexcept {
  requests_[static_cast<size_t>(owner)] = request;
  look_.arm_at(nanoseconds{0});
}

void MachineControl::pause_soon(PauseOwner owner) noexcept {
  const LockGuard lock{mu_};
  ask(owner, Request::kPause);
  for (const auto& thread : threads_)
    thread->pause();
}

void MachineControl::resume_soon(PauseOwner owner) noexcept {
  const LockGuard lock{mu_};
  ask(owner, Request::kResume);
}

void MachineControl::obey_requests() {
  std::array<Request, kOwners> requests{};
  {
    const LockGuard lock{mu_};
    requests = std::exchange(requests_, {});
  }
  for (size_t owner = 0; owner < kOwners; ++owner) {
    if (requests[owner] == Request::kPause) pause(static_cast<PauseOwner>(owner));
    if (requests[owner] == Request::kResume) resume(static_cast<PauseOwner>(owner));
  }
}

// The console first: harts that wait for its reader can then leave their exits.
void MachineControl::hold_all() {
  if (!has_begun()) return;
  paused_at_ = std::chrono::steady_clock::now();
  parts_.on_pause();
  parts_.console.set_paused(true);
  {
    const LockGuard lock{mu_};
    for (const auto& thread : threads_)
      thread->pause();
  }
  for (VirtioDevice* const device : parts_.devices)
    device->hold();
  patience_.arm_at(from_now(kPatience));
}

bool MachineControl::is_late() const noexcept {
  return has_begun() && std::chrono::steady_clock::now() - paused_at_ > kPatience;
}

bool MachineControl::has_begun() const noexcept {
  const LockGuard lock{mu_};
  return !threads_.empty();
}

bool MachineControl::devices_are_quiet() const noexcept {
  return std::ranges::all_of(parts_.devices, [](const VirtioDevice* device) { return device->is_quiet(); });
}

bool MachineControl::harts_rest() const noexcept {
  const LockGuard lock{mu_};
  return std::ranges::all_of(threads_, [](const auto& thread) { return thread->rests(); });
}

bool MachineControl::rests(HartId hart) const noexcept {
  const LockGuard lock{mu_};
  return hart.value >= threads_.size() || threads_[hart.value]->rests();
}

// A device posts tasks while it has a request in hand. A hart posts a task to another one while it waits for the
// answer: the other one, which rested, may still be on its way back to its rest when the first one rests too. An answer
// posts nothing. So when the devices are quiet, and then all harts rest twice, all do.
void MachineControl::look() {
  obey_requests();
  if (!is_paused() || is_quiet_ || !has_begun()) return;
  const bool devices_are_quiet = this->devices_are_quiet();
  if (!harts_rest() || !harts_rest()) return;  // each hart that comes to rest calls again
  if (devices_are_quiet) return become_quiet();
  look_.arm_at(from_now(is_late() ? kBetweenLateLooks : kBetweenLooks));
}

void MachineControl::become_quiet() {
  is_quiet_ = true;
  patience_.disarm();
  time_ = parts_.vm.guest_time();
  log::line(
      log::Module::kVmm, log::Level::kDebug, "paused: quiet after {} us",
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - paused_at_).count());
  tell(&Listener::on_quiet);
}

// One that is told may let the machine go on.
void MachineControl::tell(std::function<void()> Listener::* what) {
  for (size_t owner = 0; owner < owners_.size(); ++owner) {
    if (owners_[owner]) (listeners_[owner].*what)();
  }
}

std::string MachineControl::waits_for() const {
  std::string waits;
  const auto add = [&waits](std::string_view what) {
    if (!waits.empty()) waits += ", ";
    waits += what;
  };
  for (HartId hart{0}; hart.value < parts_.harts; ++hart.value) {
    if (!rests(hart)) add(std::format("hart {}", hart.value));
  }
  for (const VirtioDevice* const device : parts_.devices) {
    if (!device->is_quiet()) add(device->name());
  }
  return waits;
}

void MachineControl::resume(PauseOwner owner) {
  owners_.reset(static_cast<size_t>(owner));
  if (!is_paused()) let_all_go();
}

void MachineControl::let_all_go() {
  patience_.disarm();
  look_.disarm();
  auto time = std::exchange(time_, std::nullopt);
  if (time && !parts_.vm.set_guest_time(*time)) {
    log::line(log::Module::kVmm, log::Level::kError, "the guest's time cannot be set back: it sees the pause");
    time.reset();
  }
  is_quiet_ = false;
  parts_.on_resume(time);
  for (VirtioDevice* const device : parts_.devices)
    device->go_on();
  parts_.console.set_paused(false);
  const LockGuard lock{mu_};
  // A hart that has asked for a pause meanwhile does not go on.
  if (std::ranges::find(requests_, Request::kPause) != requests_.end()) return look_.arm_at(nanoseconds{0});
  for (const auto& thread : threads_)
    thread->resume();
}

}  // namespace rvvmm

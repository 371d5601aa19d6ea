// The one way to stop the machine so that all of it can be looked at, and to let it go on.
#pragma once

#include <array>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/hypervisor.hpp"
#include "base/mutex.hpp"
#include "devices/virtio/virtio_device.hpp"
#include "vmm/console/console_hub.hpp"
#include "vmm/harts/vcpu_thread.hpp"
#include "vmm/host/event_loop.hpp"

namespace rvvmm {

/// Who wants the machine to be paused. It goes on when nobody does.
enum class PauseOwner : uint8_t { kUser, kBreak, kPanic, kCount };

/// A paused machine becomes quiet: each hart rests on its own thread, outside the guest and with no exit left to
/// complete, and no device has a request in hand. From then on nothing but the caller changes the guest's registers,
/// memory and time. Neither a hart that waits for its console's reader nor one that waits for another hart delays that.
/// A disk of the host that does not answer does; such a pause can be taken back.
///
/// Guest time stands still while the machine is quiet. The loop's thread only, unless a function says otherwise.
class MachineControl {
 public:
  struct Parts {
    EventLoop& loop;
    ConsoleHub& console;
    std::span<VirtioDevice* const> devices;
    VmBackend& vm;
    uint32_t harts;
    std::function<void()> on_pause;
    /// The machine goes on at `time`, the guest's time in ticks; nullopt if it was not quiet. Before harts run.
    std::function<void(std::optional<uint64_t> time)> on_resume;
  };

  explicit MachineControl(Parts parts);
  /// The devices, which are stopped, are no longer held.
  ~MachineControl();
  MachineControl(const MachineControl&) = delete;
  MachineControl& operator=(const MachineControl&) = delete;

  /// A machine can be paused before it starts; its harts then rest before the first instruction.
  void pause(PauseOwner owner);
  /// The same for a thread other than the loop's, such as a hart's: no hart enters the guest again, and the loop does
  /// the rest. Any thread.
  void pause_soon(PauseOwner owner) noexcept;
  /// Also before the machine is quiet, or is paused at all.
  void resume(PauseOwner owner);
  /// The same for another thread. Any thread.
  void resume_soon(PauseOwner owner) noexcept;
  bool is_paused() const noexcept { return owners_.any(); }
  bool is_quiet() const noexcept { return is_quiet_; }
  /// True if the hart rests, or has no thread: its vCPU can be used, even if the machine is not quiet yet.
  bool rests(HartId hart) const noexcept;
  /// What a paused machine still waits for before it is quiet, for the user: "hart 1, disk0".
  std::string waits_for() const;

  /// How long a pause may take before `on_wait` is called.
  static constexpr std::chrono::milliseconds kPatience{1000};
  /// For an owner that wants the machine to be paused.
  struct Listener {
    std::function<void()> on_quiet = [] {};
    std::function<void()> on_wait = [] {};
  };
  void set_listener(PauseOwner owner, Listener listener) {
    listeners_[static_cast<size_t>(owner)] = std::move(listener);
  }

  /// Called before the first of the harts' threads starts. They live until end().
  void begin(std::span<const std::unique_ptr<VcpuThread>> threads);
  /// The harts have been told to end.
  void end() noexcept;

  /// MachineListener::on_hart_rests(). Any thread.
  void on_hart_rests() noexcept { look_.arm_at(std::chrono::nanoseconds{0}); }

 private:
  /// A device's threads tell nobody that they have finished, so they are asked: so often at first, and more rarely
  /// behind kPatience.
  static constexpr std::chrono::microseconds kBetweenLooks{200};
  static constexpr std::chrono::microseconds kBetweenLateLooks{100'000};

  static constexpr size_t kOwners = static_cast<size_t>(PauseOwner::kCount);
  enum class Request : uint8_t { kNone, kPause, kResume };

  void ask(PauseOwner owner, Request request) noexcept REQUIRES(mu_);
  void obey_requests();
  void hold_all();
  void let_all_go();
  void tell(std::function<void()> Listener::* what);
  void look();
  bool is_late() const noexcept;
  bool has_begun() const noexcept;
  bool harts_rest() const noexcept;
  bool devices_are_quiet() const noexcept;
  void become_quiet();

  Parts parts_;
  mutable Mutex mu_;  // held while harts are told to rest or to go on, so that one that asks for a pause rests
  std::span<const std::unique_ptr<VcpuThread>> threads_ GUARDED_BY(mu_);
  std::array<Request, kOwners> requests_ GUARDED_BY(mu_){};  // of other threads; the last one of an owner counts
  std::array<Listener, kOwners> listeners_;
  std::bitset<kOwners> owners_;
  bool is_quiet_ = false;
  std::optional<uint64_t> time_;  // the guest's, while quiet
  std::chrono::steady_clock::time_point paused_at_;
  Timer look_;
  Timer patience_;
};

}  // namespace rvvmm

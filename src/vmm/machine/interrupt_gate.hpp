// The way of every interrupt from a device to the hypervisor: where a machine that sleeps learns of one.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <span>
#include <vector>

#include "base/hypervisor.hpp"

namespace rvvmm {

/// The board has no other way to raise an interrupt, so none of its devices can be forgotten. What the kernel raises by
/// itself, for an eventfd that is connected to a message (vhost), does not come by. Any thread, with any device's mutex
/// held.
class InterruptGate final : public MsiSink {
 public:
  /// `on_raised`: behind an interrupt that was raised while the machine falls asleep or sleeps. Any thread, with a
  /// device's mutex held: it calls nothing back.
  InterruptGate(VmBackend& vm, std::span<const std::unique_ptr<VcpuBackend>> harts, std::function<void()> on_raised);
  InterruptGate(const InterruptGate&) = delete;
  InterruptGate& operator=(const InterruptGate&) = delete;

  // What the machine does. From falls_asleep() on `on_raised` misses nothing; what was raised before, the controllers
  // show. One thread at a time.

  /// The hypervisor is about to clear the interrupt file at `file`; messages for it are kept.
  void falls_asleep(Gpa file) noexcept;
  /// That is done: they are sent.
  void sleeps() noexcept;
  void is_awake() noexcept;

  /// A wired source of the in-kernel AIA.
  void set_line(Gsi gsi, bool asserted) noexcept;
  void signal_msi(const MsiMessage& message) noexcept override;
  bool connect_msi(int eventfd, const MsiMessage& message) noexcept override;
  void disconnect_msi(int eventfd) noexcept override;
  /// By hart, for a PLIC to drive.
  std::vector<HartIrqPin*> pins();
  size_t harts() const noexcept { return pins_.size(); }

 private:
  class Pin final : public HartIrqPin {
   public:
    Pin(InterruptGate& gate, HartIrqPin& pin) noexcept : gate_(gate), pin_(pin) {}
    void set_external_interrupt(bool asserted) noexcept override;

   private:
    InterruptGate& gate_;
    HartIrqPin& pin_;
  };

  enum Stage : uint32_t { kAwake, kFallsAsleep, kSleeps, kStages };

  Stage stage() const noexcept { return static_cast<Stage>(state_ % kStages); }
  void enter(Stage stage) noexcept { state_ = (state_ / kStages + 1) * kStages + stage; }
  void raised() noexcept {
    if (stage() != kAwake) on_raised_();
  }
  void make_sure_of(const MsiMessage& message) noexcept;
  void keep(const MsiMessage& message) noexcept;

  VmBackend& vm_;
  std::vector<Pin> pins_;
  const std::function<void()> on_raised_;
  std::atomic<uint32_t> state_ = kAwake;  // a stage, and how many there were before
  std::atomic<uint64_t> file_ = 0;
  std::array<std::atomic<uint64_t>, 32> kept_{};  // a bit for each identity that a file can have
};

}  // namespace rvvmm

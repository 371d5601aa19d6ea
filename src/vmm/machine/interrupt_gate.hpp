// Every interrupt from a device to the hypervisor passes here, so that an interrupt can wake a machine that sleeps.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <span>
#include <vector>

#include "base/hypervisor.hpp"

namespace rvvmm {

/// The board has no other way to raise an interrupt, so no device can be forgotten. Only the kernel bypasses this
/// class: it sends the message of a connected eventfd itself (vhost). Any thread, with any device's mutex held.
class InterruptGate final : public MsiSink {
 public:
  /// `on_raised` is called after each interrupt that is raised while the machine falls asleep or sleeps. Any thread,
  /// with a device's mutex held, so it must not call the device back.
  InterruptGate(VmBackend& vm, std::span<const std::unique_ptr<VcpuBackend>> harts, std::function<void()> on_raised);
  InterruptGate(const InterruptGate&) = delete;
  InterruptGate& operator=(const InterruptGate&) = delete;

  // The stages of the machine's sleep. From falls_asleep() on, `on_raised` misses no interrupt. Earlier interrupts can
  // be seen in the controllers. One thread at a time.

  /// The hypervisor is about to clear the interrupt file at `file`. Messages to this file are kept.
  void falls_asleep(Gpa file) noexcept;
  /// The file has been cleared: sends the kept messages.
  void sleeps() noexcept;
  void is_awake() noexcept;

  /// `gsi` is a wired source of the in-kernel AIA.
  void set_line(Gsi gsi, bool asserted) noexcept;
  void signal_msi(const MsiMessage& message) noexcept override;
  bool connect_msi(int eventfd, const MsiMessage& message) noexcept override;
  void disconnect_msi(int eventfd) noexcept override;
  /// The pins that a PLIC drives, by hart.
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
  std::atomic<uint32_t> state_ = kAwake;  // stage + kStages * number of changes
  std::atomic<uint64_t> file_ = 0;
  std::array<std::atomic<uint64_t>, 32> kept_{};  // a bit for each identity that a file can have
};

}  // namespace rvvmm

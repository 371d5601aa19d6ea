// Keeps the time CSR readable in user mode on a hart (docs/kvm-quirks.md, the time CSR).
#pragma once

#include <atomic>
#include <chrono>
#include <optional>

#include "base/hypervisor.hpp"
#include "base/kick_timer.hpp"

namespace rvvmm {

/// Newer kernels reset scounteren to 0 inside HSM hart_start, without an exit. Linux guests up to 6.12 never set it, so
/// their processes would die of SIGILL at the first clock_gettime(). The guard checks a busy hart from time to time and
/// replaces a zero. A timer that counts the CPU time of the hart's thread makes the hart leave the guest for the check.
/// A hart that is stopped, suspended or idle uses no CPU time, so it is not disturbed. Used by the hart's thread.
class TimeCsrGuard {
 public:
  /// CPU time between looks: short while the hart starts, then doubling.
  static constexpr std::chrono::milliseconds kSoon{4};
  static constexpr std::chrono::milliseconds kLater{64};

  /// True if this host's KVM starts secondary harts with a zero. `secondary` must not have run yet.
  static bool needed(VcpuBackend& secondary) noexcept;

  /// `guest_sets_it`: shared by all harts of a machine, false at first; must outlive the guard.
  TimeCsrGuard(HartId hart, std::atomic<bool>& guest_sets_it) noexcept : hart_(hart), guest_sets_it_(guest_sets_it) {}

  /// Call it on the hart's thread, before it enters the guest.
  void begin() noexcept;
  /// Call it after each signal that makes the hart leave the guest.
  void look(VcpuBackend& vcpu) noexcept;

  /// CPU time to the next look; nullopt: the guest sets the CSR itself, so no more looks are needed.
  std::optional<std::chrono::milliseconds> interval() const noexcept { return interval_; }

 private:
  bool is_guests_own(uint64_t scounteren) const noexcept;
  void look_again_in(std::chrono::milliseconds interval) noexcept;
  void end() noexcept;

  HartId hart_;
  std::atomic<bool>& guest_sets_it_;
  std::optional<KickTimer> timer_;
  std::optional<std::chrono::milliseconds> interval_ = kSoon;
  uint32_t looks_ = 0;
};

}  // namespace rvvmm

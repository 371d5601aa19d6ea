// Keeps the time CSR readable in user mode on every hart (docs/kvm-quirks.md, the time CSR).
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "vmm/vcpu_thread.hpp"

namespace rvvmm {

/// Newer kernels reset scounteren to 0 inside HSM hart_start, without an exit, and Linux guests up to 6.12 never set
/// it: their processes would die of SIGILL at the first clock_gettime(). So harts are looked at from time to time
/// and a zero is mended. Used by the event loop's thread; the looking is done by the harts'.
class TimeCsrGuard {
 public:
  /// Time between looks: short after a hart was seen to start, then doubling. A look costs each hart an exit, and a
  /// starting kernel needs longer than kLater from a hart's first instruction to its first process.
  static constexpr std::chrono::milliseconds kSoon{4};
  static constexpr std::chrono::milliseconds kLater{64};

  /// True if this host's KVM starts secondary harts with a zero; `secondary` has not run.
  static bool needed(VcpuBackend& secondary) noexcept;

  /// `harts`: by hart id, the boot hart first; they outlive the guard's last look.
  explicit TimeCsrGuard(std::vector<VcpuThread*> harts);

  /// Asks every hart to look; nullopt when the guest turned out to set the CSR itself and no look is needed any
  /// more, else the time until the next one.
  std::optional<std::chrono::milliseconds> look();

 private:
  enum class Seen : uint8_t { kNothing, kAsked, kStopped, kMended, kRight, kGuestsOwn };

  static Seen look_at_boot_hart(VcpuBackend& hart) noexcept;
  static Seen look_for_zero(VcpuBackend& hart) noexcept;

  std::vector<VcpuThread*> harts_;
  // Shared with tasks that may still be in a hart's mailbox when the guard has gone.
  std::shared_ptr<std::vector<std::atomic<Seen>>> seen_;
  std::chrono::milliseconds interval_ = kSoon;
  uint32_t looks_ = 0;
};

}  // namespace rvvmm

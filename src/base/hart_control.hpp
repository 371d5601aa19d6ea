// The states of harts, as SBI HSM has them: what an extension asks of whoever runs the harts.
#pragma once

#include <cstdint>
#include <optional>

#include "base/types.hpp"

namespace rvvmm {

/// SBI 3.0, 9, table "HSM Hart States"; the numbers are those of sbi_hart_get_status.
enum class HsmState : uint8_t {
  kStarted = 0,
  kStopped = 1,
  kStartPending = 2,
  kStopPending = 3,
  kSuspended = 4,
  kSuspendPending = 5,
  kResumePending = 6,
};

/// Where a hart begins in supervisor mode, with paging and interrupts off, its id in a0 and `opaque` in a1 (SBI 3.0,
/// 9.1 and 9.4).
struct HartEntry {
  Gpa pc;
  uint64_t opaque = 0;
};

/// Called by `self` or `asker` on that hart's own thread, while its SBI call is in hand. A call may wait for another
/// hart's thread, which comes as soon as it has left the guest and is done with the call or access in hand; never for
/// the guest.
class HartControl {
 public:
  virtual ~HartControl() = default;
  /// Ids are 0..harts() - 1.
  virtual uint32_t harts() const noexcept = 0;
  virtual HsmState state(HartId asker, HartId target) noexcept = 0;
  /// True if `target` was stopped: it starts at `entry`. Of several that ask at once, one gets true.
  virtual bool start(HartId asker, HartId target, const HartEntry& entry) noexcept = 0;
  /// `self` stops behind the call in hand, which it never sees the answer of. False where something of that kind
  /// is under way.
  virtual bool stop(HartId self) noexcept = 0;
  /// `self` sleeps, behind the call in hand, until one of the interrupts that it has enabled is pending; then it begins
  /// at `resume`, or without that goes on behind the call with a0 and a1 as answered and every other register as it
  /// was. False where something of that kind is under way, or the hypervisor refuses what it takes.
  virtual bool suspend(HartId self, const std::optional<HartEntry>& resume) noexcept = 0;
  /// The call that ends the sleep of `self`: false unless it is suspended.
  virtual bool resume(HartId self) noexcept = 0;
  /// The machine sleeps, behind the call in hand, until something outside wakes it; then `self` begins at `resume`.
  /// False unless all other harts are stopped.
  virtual bool suspend_system(HartId self, const HartEntry& resume) noexcept = 0;
};

}  // namespace rvvmm

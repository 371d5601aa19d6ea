// The hart states of SBI HSM: the interface between an SBI extension and the code that runs the harts.
#pragma once

#include <cstdint>
#include <optional>

#include "base/types.hpp"

namespace rvvmm {

/// SBI 3.0, ch. 9, table "HSM Hart States". The numbers are those that sbi_hart_get_status returns.
enum class HsmState : uint8_t {
  kStarted = 0,
  kStopped = 1,
  kStartPending = 2,
  kStopPending = 3,
  kSuspended = 4,
  kSuspendPending = 5,
  kResumePending = 6,
};

/// Where a hart starts: in supervisor mode, with paging and interrupts off, its id in a0 and `opaque` in a1 (SBI 3.0,
/// 9.1 and 9.4).
struct HartEntry {
  Gpa pc;
  uint64_t opaque = 0;
};

/// `self` or `asker` is the hart that calls. It calls on its own thread while rvvmm answers its SBI call. A function
/// may wait for another hart's thread until that thread has left the guest and finished its current call or access. It
/// never waits for the guest.
class HartControl {
 public:
  virtual ~HartControl() = default;
  /// Ids are 0..harts() - 1.
  virtual uint32_t harts() const noexcept = 0;
  virtual HsmState state(HartId asker, HartId target) noexcept = 0;
  /// True if `target` was stopped: it starts at `entry`. If several harts ask at once, one of them gets true.
  virtual bool start(HartId asker, HartId target, const HartEntry& entry) noexcept = 0;
  /// `self` stops after the current call and never sees its answer. False if a stop or suspend of `self` is already in
  /// progress.
  virtual bool stop(HartId self) noexcept = 0;
  /// `self` sleeps after the current call until an interrupt that it has enabled is pending. Then it starts at
  /// `resume`. Without `resume` it continues after the call: a0 and a1 hold the answer and all other registers keep
  /// their values. False if a stop or suspend of `self` is already in progress, or if the hypervisor refuses a step.
  virtual bool suspend(HartId self, const std::optional<HartEntry>& resume) noexcept = 0;
  /// Ends the sleep of `self`. False unless it is suspended.
  virtual bool resume(HartId self) noexcept = 0;
  /// The machine sleeps after the current call until something outside wakes it. Then `self` starts at `resume`. False
  /// unless all other harts are stopped.
  virtual bool suspend_system(HartId self, const HartEntry& resume) noexcept = 0;
};

}  // namespace rvvmm

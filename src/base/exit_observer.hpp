// An observer that is told about every exit of a hart.
#pragma once

#include "base/exit_record.hpp"

namespace rvvmm {

class VcpuBackend;

/// Called on the hart's own thread, after an exit was answered and before the guest is entered again. Must not throw or
/// allocate.
class ExitObserver {
 public:
  virtual ~ExitObserver() = default;
  /// `hart` may be asked for its registers. They have their values at the exit, because the hypervisor has not
  /// completed it yet, and must not be changed.
  virtual void on_exit(VcpuBackend& hart, const ExitRecord& exit) noexcept = 0;
  /// The same, but before a system event is answered, because the answer ends the machine. The time of the answer in
  /// `exit` is not known yet.
  virtual void before_system_event(VcpuBackend& /*hart*/, const ExitRecord& /*exit*/) noexcept {}
};

}  // namespace rvvmm

// Who is told of every exit of a hart.
#pragma once

#include "base/exit_record.hpp"

namespace rvvmm {

class VcpuBackend;

/// Called on the hart's own thread, when an exit has been answered and before the guest is entered again. Never throws,
/// allocates nothing.
class ExitObserver {
 public:
  virtual ~ExitObserver() = default;
  /// `hart` may be asked for its registers, which are those at the exit: the hypervisor has not completed it yet. They
  /// must not be changed.
  virtual void on_exit(VcpuBackend& hart, const ExitRecord& exit) noexcept = 0;
  /// The same before a system event is answered, which ends the machine: `exit` has no time of an answer.
  virtual void before_system_event(VcpuBackend& /*hart*/, const ExitRecord& /*exit*/) noexcept {}
};

}  // namespace rvvmm

// How set-up fails: one exception, which main catches in one place. It carries the line to print and the exit status.
#pragma once

#include <stdexcept>
#include <string>

namespace rvvmm {

/// rvvmm's own exit statuses (docs/exit-codes.md). 1 to 63 are left to guests, which return them through the test
/// finisher; 128 + N means that signal N stopped the VM.
enum class ExitStatus : int {
  kOk = 0,                   ///< the guest powered off, or the user quit
  kUsage = 64,               ///< an option or configuration key is wrong
  kBadInput = 65,            ///< a kernel, initrd or device tree file is wrong
  kHostUnsupported = 69,     ///< this host cannot run the VM: no /dev/kvm, no permission, a feature missing
  kInternal = 70,            ///< the host refused something it should have granted (memory, threads)
  kGuestReset = 80,          ///< the guest asked for a reset and --no-reboot was given
  kGuestSystemFailure = 81,  ///< the guest shut down or reset with SRST reason "system failure"
  kGuestFault = 82,          ///< an exit that rvvmm cannot handle: unhandled trap, failed entry, error of KVM_RUN
  kBreak = 83,               ///< --break stopped the guest, with --on-break exit
  kSignalBase = 128,
};

class SetupError : public std::runtime_error {
 public:
  /// `message`: what was tried, on which object, why it failed and what would be right. One line without a full stop.
  SetupError(ExitStatus status, const std::string& message) : std::runtime_error(message), status_(status) {}

  /// "<what>: <text of errno_value>".
  static SetupError from_errno(ExitStatus status, const std::string& what, int errno_value);

  ExitStatus status() const noexcept { return status_; }

 private:
  ExitStatus status_;
};

}  // namespace rvvmm

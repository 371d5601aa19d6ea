// The exit-handler table: one row and one function for each reason KVM_RUN returns with on RISC-V.
#pragma once

#include <linux/kvm.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "base/hypervisor.hpp"
#include "base/vcpu_io.hpp"

namespace rvvmm {

/// What a handler leaves to the vCPU, which alone can look into the guest's registers.
enum class Afterwork : uint8_t {
  kNone,
  kSignedLoadInDoubt,  ///< a narrow load got a value with its top bit set (docs/kvm-quirks.md, sign extension)
  kIllegalCsr,         ///< no such CSR; the guest is owed an illegal-instruction exception
};

/// One exit in hand. `run` is shared with KVM, which completes an MMIO, SBI or CSR exit on the next KVM_RUN from
/// what a handler leaves in it.
struct ExitContext {
  kvm_run& run;
  HartId hart;
  VcpuIo* io = nullptr;  ///< of the entry in progress
  Afterwork afterwork = Afterwork::kNone;
};

struct ExitHandler {
  uint32_t reason;
  std::string_view name;
  RunOutcome (*handle)(ExitContext& exit) noexcept;
};

/// By reason; what has no row of its own has the row "unknown". More reasons than Linux has so far.
extern const std::array<const ExitHandler*, 64> kExitHandlers;

/// The row of `reason`; reasons without one get the row "unknown", which is a fault.
inline const ExitHandler& exit_handler(uint32_t reason) noexcept {
  return *kExitHandlers[reason < kExitHandlers.size() ? reason : KVM_EXIT_UNKNOWN];
}

/// An errno of KVM_RUN that ends the machine: what the guest or the host did.
struct RunError {
  int error;
  std::string_view cause;
};

/// The row of `error`; one without gets "an error KVM does not explain".
const RunError& run_error(int error) noexcept;

}  // namespace rvvmm

// The exit-handler table: one row and one function for each reason KVM_RUN returns with on RISC-V.
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <string_view>

#include "base/hypervisor.hpp"
#include "base/vcpu_io.hpp"

namespace rvvmm {

/// One exit in hand. `run` is shared with KVM, which completes an MMIO, SBI or CSR exit on the next KVM_RUN from
/// what a handler leaves in it.
struct ExitContext {
  kvm_run& run;
  HartId hart;
  VcpuIo& io;
  /// Set by a handler: a narrow load got a value with its top bit set (docs/kvm-quirks.md, sign extension).
  bool signed_load_in_doubt = false;
  /// Set by a handler: no such CSR; the guest is owed an illegal-instruction exception.
  bool illegal_csr = false;
};

struct ExitHandler {
  uint32_t reason;
  std::string_view name;
  RunOutcome (*handle)(ExitContext& exit) noexcept;
};

/// The row of `reason`; reasons without one get the row "unknown", which is a fault.
const ExitHandler& exit_handler(uint32_t reason) noexcept;

}  // namespace rvvmm

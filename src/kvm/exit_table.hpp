// The exit-handler table: one row and one function for each reason KVM_RUN returns with on RISC-V.
#pragma once

#include <linux/kvm.h>

#include <algorithm>
#include <array>
#include <cstddef>
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

// The two that are busy are inline in the loop.

inline RunOutcome handle_mmio(ExitContext& exit) noexcept {
  auto& mmio = exit.run.mmio;
  static_assert(sizeof(mmio.data) == 8);
  const size_t len = std::min<size_t>(mmio.len, sizeof(mmio.data));
  auto* const data = reinterpret_cast<std::byte*>(mmio.data);
  const Gpa at{mmio.phys_addr};
  if (mmio.is_write != 0) {
    exit.io->mmio_write(exit.hart, at, {data, len});
  } else {
    exit.io->mmio_read(exit.hart, at, {data, len});
    // len - 1 wraps where there is nothing to extend.
    if (len - 1 < sizeof(mmio.data) - 1 && (mmio.data[len - 1] & 0x80) != 0) {
      exit.afterwork = Afterwork::kSignedLoadInDoubt;
    }
  }
  return RunOutcome::kContinue;
}

inline RunOutcome handle_sbi(ExitContext& exit) noexcept {
  auto& sbi = exit.run.riscv_sbi;
  const auto& args = sbi.args;
  // One by one: an array as a whole is copied by a call of memcpy().
  const SbiCall call{
      .eid = sbi.extension_id, .fid = sbi.function_id, .args = {args[0], args[1], args[2], args[3], args[4], args[5]}};
  const SbiRet ret = exit.io->sbi_ecall(exit.hart, call);
  // KVM copies ret[] to a0 and a1 verbatim on the next KVM_RUN, so both words are always written.
  sbi.ret[0] = static_cast<unsigned long>(ret.error);
  sbi.ret[1] = ret.value;
  return RunOutcome::kContinue;
}

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

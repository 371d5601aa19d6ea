// The exit-handler table: one row and one function for each exit reason of KVM_RUN on RISC-V.
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

/// Work that a handler leaves to the vCPU, because only the vCPU can access the guest's registers.
enum class Afterwork : uint8_t {
  kNone,
  kSignedLoadInDoubt,  ///< a load narrower than 8 bytes got a set top bit (docs/kvm-quirks.md, sign extension)
  kIllegalCsr,         ///< the CSR does not exist; the guest must get an illegal-instruction exception
};

/// The exit that is being answered. KVM shares `run`: on the next KVM_RUN it completes an MMIO, SBI or CSR exit with
/// the values that the handler wrote there.
struct ExitContext {
  kvm_run& run;
  HartId hart;
  VcpuIo* io = nullptr;  ///< the machine, as passed to the current run()
  Afterwork afterwork = Afterwork::kNone;
};

// The two frequent exits are inlined into the loop.

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
    // len - 1 wraps if len is 0, and then there is nothing to extend.
    if (len - 1 < sizeof(mmio.data) - 1 && (mmio.data[len - 1] & 0x80) != 0) {
      exit.afterwork = Afterwork::kSignedLoadInDoubt;
    }
  }
  return RunOutcome::kContinue;
}

inline RunOutcome handle_sbi(ExitContext& exit) noexcept {
  auto& sbi = exit.run.riscv_sbi;
  const auto& args = sbi.args;
  // Element by element, because the compiler copies a whole array with a call of memcpy().
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

/// The rows, indexed by reason. A reason without a row has the row "unknown". The array has room for more reasons than
/// Linux has so far.
extern const std::array<const ExitHandler*, 64> kExitHandlers;

/// The row of `reason`. A reason without a row gets the row "unknown", which is a fault.
inline const ExitHandler& exit_handler(uint32_t reason) noexcept {
  return *kExitHandlers[reason < kExitHandlers.size() ? reason : KVM_EXIT_UNKNOWN];
}

/// An errno of KVM_RUN that ends the machine, and what the guest or the host did to cause it.
struct RunError {
  int error;
  std::string_view cause;
};

/// The row of `error`. An error without a row gets "an error KVM does not explain".
const RunError& run_error(int error) noexcept;

}  // namespace rvvmm

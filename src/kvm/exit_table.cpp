#include "kvm/exit_table.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

namespace rvvmm {
namespace {

RunOutcome handle_csr(ExitContext& exit) noexcept {
  auto& csr = exit.run.riscv_csr;
  const CsrAccess access{
      .number = static_cast<uint32_t>(csr.csr_num), .new_value = csr.new_value, .write_mask = csr.write_mask};
  const auto old_value = exit.io->csr_access(exit.hart, access);
  csr.ret_value = old_value.value_or(0);
  if (!old_value) exit.afterwork = Afterwork::kIllegalCsr;
  return RunOutcome::kContinue;
}

RunOutcome handle_system_event(ExitContext& exit) noexcept {
  const auto& event = exit.run.system_event;
  SystemEvent said{.raw_type = event.type, .reason = event.ndata > 0 ? event.data[0] : 0};
  switch (event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN: said.type = SystemEventType::kShutdown; break;
    case KVM_SYSTEM_EVENT_RESET: said.type = SystemEventType::kReset; break;
    default: said.type = SystemEventType::kOther; break;
  }
  exit.io->system_event(exit.hart, said);
  return RunOutcome::kStop;
}

RunOutcome handle_interrupted(ExitContext& /*exit*/) noexcept {
  return RunOutcome::kInterrupted;
}

RunOutcome handle_fault(ExitContext& /*exit*/) noexcept {
  return RunOutcome::kFault;
}

// A new exit is one row here and one function above (docs/add-an-exit.md).
constexpr std::array kExitTable{
    ExitHandler{KVM_EXIT_MMIO, "mmio", handle_mmio},
    ExitHandler{KVM_EXIT_RISCV_SBI, "sbi", handle_sbi},
    ExitHandler{KVM_EXIT_INTR, "interrupted", handle_interrupted},
    ExitHandler{KVM_EXIT_RISCV_CSR, "csr", handle_csr},
    ExitHandler{KVM_EXIT_SYSTEM_EVENT, "system event", handle_system_event},
    ExitHandler{KVM_EXIT_DEBUG, "debug", handle_fault},
    ExitHandler{KVM_EXIT_FAIL_ENTRY, "failed entry", handle_fault},
};

// KVM_RUN fails permanently if the kernel can neither emulate an access nor forward it (arch/riscv/kvm/vcpu_exit.c,
// vcpu_insn.c).
constexpr std::array kRunErrors{
    RunError{EOPNOTSUPP,
             "an instruction KVM cannot emulate outside RAM (AMO, LR/SC, floating point, vector), or a jump to an "
             "address without memory"},
    RunError{EIO, "an access outside RAM that is not aligned to its width"},
    RunError{EFAULT, "guest memory that the host does not back, or a trap KVM does not handle"},
    RunError{ENOMEM, "the host has no memory left for the guest's page tables"},
    RunError{EEXIST, "KVM found guest memory mapped by a huge page where it wanted a small one"},
};
constexpr RunError kUnknownError{0, "an error KVM does not explain"};

constexpr ExitHandler kUnknownExit{KVM_EXIT_UNKNOWN, "unknown", handle_fault};

}  // namespace

// Indexed by reason, so that an exit does not pay for the rows before its own.
constexpr std::array<const ExitHandler*, 64> kExitHandlers = [] {
  std::array<const ExitHandler*, 64> rows;
  rows.fill(&kUnknownExit);
  for (const ExitHandler& row : kExitTable)
    rows.at(row.reason) = &row;
  return rows;
}();

const RunError& run_error(int error) noexcept {
  const auto row = std::ranges::find(kRunErrors, error, &RunError::error);
  return row != kRunErrors.end() ? *row : kUnknownError;
}

}  // namespace rvvmm

#include "kvm/exit_table.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace rvvmm {
namespace {

static_assert(sizeof(kvm_run{}.mmio.data) == 8);

RunOutcome handle_mmio(ExitContext& exit) noexcept {
  auto& mmio = exit.run.mmio;
  const size_t len = std::min<size_t>(mmio.len, sizeof(mmio.data));
  const std::span<std::byte> data{reinterpret_cast<std::byte*>(mmio.data), len};
  const Gpa at{mmio.phys_addr};
  if (mmio.is_write != 0) {
    exit.io.mmio_write(exit.hart, at, data);
  } else {
    exit.io.mmio_read(exit.hart, at, data);
    exit.signed_load_in_doubt = len < sizeof(mmio.data) && len > 0 && (mmio.data[len - 1] & 0x80) != 0;
  }
  return RunOutcome::kContinue;
}

RunOutcome handle_sbi(ExitContext& exit) noexcept {
  auto& sbi = exit.run.riscv_sbi;
  SbiCall call{.eid = sbi.extension_id, .fid = sbi.function_id};
  std::ranges::copy(sbi.args, call.args.begin());
  const SbiRet ret = exit.io.sbi_ecall(exit.hart, call);
  // KVM copies ret[] to a0 and a1 verbatim on the next KVM_RUN, so both words are always written.
  sbi.ret[0] = static_cast<unsigned long>(ret.error);
  sbi.ret[1] = ret.value;
  return RunOutcome::kContinue;
}

RunOutcome handle_csr(ExitContext& exit) noexcept {
  auto& csr = exit.run.riscv_csr;
  const CsrAccess access{
      .number = static_cast<uint32_t>(csr.csr_num), .new_value = csr.new_value, .write_mask = csr.write_mask};
  const auto old_value = exit.io.csr_access(exit.hart, access);
  csr.ret_value = old_value.value_or(0);
  exit.illegal_csr = !old_value.has_value();
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
  exit.io.system_event(exit.hart, said);
  return RunOutcome::kStop;
}

RunOutcome handle_interrupted(ExitContext& /*exit*/) noexcept {
  return RunOutcome::kInterrupted;
}

RunOutcome handle_fault(ExitContext& /*exit*/) noexcept {
  return RunOutcome::kFault;
}

// Sorted by how often a running guest meets them. A new exit is one row here and one function above
// (docs/add-an-exit.md).
constexpr std::array kExitTable{
    ExitHandler{KVM_EXIT_MMIO, "mmio", handle_mmio},
    ExitHandler{KVM_EXIT_RISCV_SBI, "sbi", handle_sbi},
    ExitHandler{KVM_EXIT_INTR, "interrupted", handle_interrupted},
    ExitHandler{KVM_EXIT_RISCV_CSR, "csr", handle_csr},
    ExitHandler{KVM_EXIT_SYSTEM_EVENT, "system event", handle_system_event},
    ExitHandler{KVM_EXIT_DEBUG, "debug", handle_fault},
    ExitHandler{KVM_EXIT_FAIL_ENTRY, "failed entry", handle_fault},
};

constexpr ExitHandler kUnknownExit{KVM_EXIT_UNKNOWN, "unknown", handle_fault};

}  // namespace

const ExitHandler& exit_handler(uint32_t reason) noexcept {
  for (const ExitHandler& row : kExitTable) {
    if (row.reason == reason) return row;
  }
  return kUnknownExit;
}

}  // namespace rvvmm

#include "kvm/exit_record.hpp"

namespace rvvmm {

void fill_other_exit_record(const kvm_run& run, ExitRecord& record) noexcept {
  switch (run.exit_reason) {
    case KVM_EXIT_RISCV_CSR:
      record.kind = ExitKind::kCsr;
      record.csr = {.number = static_cast<uint32_t>(run.riscv_csr.csr_num),
                    .new_value = run.riscv_csr.new_value,
                    .write_mask = run.riscv_csr.write_mask,
                    .old_value = run.riscv_csr.ret_value};
      break;
    case KVM_EXIT_SYSTEM_EVENT:
      record.kind = ExitKind::kSystemEvent;
      record.system = {.type = run.system_event.type,
                       .reason = run.system_event.ndata > 0 ? static_cast<uint64_t>(run.system_event.data[0]) : 0};
      break;
    case KVM_EXIT_INTR: record.kind = ExitKind::kInterrupted; break;
    default:
      record.kind = ExitKind::kOther;
      record.other = {.reason = run.exit_reason, .errno_value = 0};
      break;
  }
}

}  // namespace rvvmm

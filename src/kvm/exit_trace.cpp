#include "kvm/exit_trace.hpp"

#include <algorithm>
#include <cstring>
#include <format>

#include "kvm/exit_table.hpp"

namespace rvvmm {
namespace {

std::string describe_mmio(const kvm_run& run) {
  const auto& mmio = run.mmio;
  uint64_t value = 0;
  std::memcpy(&value, mmio.data, std::min<size_t>(mmio.len, sizeof(mmio.data)));
  return std::format("mmio {} of {} bytes at {:#x}: {:#x}", mmio.is_write != 0 ? "store" : "load",
                     static_cast<uint32_t>(mmio.len), static_cast<uint64_t>(mmio.phys_addr), value);
}

std::string describe_sbi(const kvm_run& run) {
  const auto& sbi = run.riscv_sbi;
  const auto& a = sbi.args;
  return std::format("sbi EID {:#x} FID {:#x} ({:#x}, {:#x}, {:#x}, {:#x}, {:#x}, {:#x}): a0 {}, a1 {:#x}",
                     sbi.extension_id, sbi.function_id, a[0], a[1], a[2], a[3], a[4], a[5],
                     static_cast<long>(sbi.ret[0]), sbi.ret[1]);
}

std::string describe_csr(const kvm_run& run) {
  const auto& csr = run.riscv_csr;
  return std::format("csr {:#x}, new value {:#x} under mask {:#x}: was {:#x}", csr.csr_num, csr.new_value,
                     csr.write_mask, csr.ret_value);
}

std::string describe_system_event(const kvm_run& run) {
  const auto& event = run.system_event;
  return std::format("system event of type {}, reason {:#x}", static_cast<uint32_t>(event.type),
                     event.ndata > 0 ? static_cast<uint64_t>(event.data[0]) : 0);
}

}  // namespace

std::string describe_exit(const kvm_run& run) {
  switch (run.exit_reason) {
    case KVM_EXIT_MMIO: return describe_mmio(run);
    case KVM_EXIT_RISCV_SBI: return describe_sbi(run);
    case KVM_EXIT_RISCV_CSR: return describe_csr(run);
    case KVM_EXIT_SYSTEM_EVENT: return describe_system_event(run);
    default: return std::string{exit_handler(run.exit_reason).name};
  }
}

}  // namespace rvvmm

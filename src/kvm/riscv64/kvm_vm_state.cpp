// KvmVm's part of saving and restoring a machine.
#include "base/saved_state.hpp"
#include "kvm/riscv64/aia_state.hpp"
#include "kvm/riscv64/kvm_vm.hpp"
#include "kvm/riscv64/one_reg.hpp"

namespace rvvmm {

// KVM keeps one offset for the VM and applies it to each vCPU at its next entry (Linux, arch/riscv/kvm/vcpu_timer.c).
std::optional<uint64_t> KvmVm::guest_time() noexcept {
  return one_reg::get(first_vcpu_fd_, one_reg::id_of(HartRegister::kTime));
}

bool KvmVm::set_guest_time(uint64_t ticks) noexcept {
  return one_reg::set(first_vcpu_fd_, one_reg::id_of(HartRegister::kTime), ticks);
}

std::optional<IrqchipState> KvmVm::save_irqchip(std::string& why) {
  return save_aia(aia_, harts_, why);
}

bool KvmVm::restore_irqchip(const IrqchipState& state, std::string& why) {
  return restore_aia(aia_, state, harts_, why);
}

}  // namespace rvvmm

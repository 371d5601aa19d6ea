#include "kvm/riscv64/sbi_forwarding.hpp"

#include <cerrno>

#include "base/log.hpp"
#include "kvm/riscv64/one_reg.hpp"

namespace rvvmm {

void forward_sbi_calls(int vcpu_fd) {
  if (!one_reg::set(vcpu_fd, one_reg::sbi_extension(KVM_RISCV_SBI_EXT_DBCN), 1)) {
    log::line(log::Module::kKvm, log::Level::kWarn,
              "KVM does not forward the SBI debug console (errno {}): guests have no earlycon=sbi", errno);
  }
}

}  // namespace rvvmm

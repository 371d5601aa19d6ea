#include "kvm/riscv64/sbi_switching.hpp"

#include <cerrno>

#include "base/log.hpp"
#include "kvm/host_errors.hpp"
#include "kvm/riscv64/one_reg.hpp"

namespace rvvmm {
namespace {

// Checks no later rows, because the headers that rvvmm is built with may be older than those.
static_assert(kSbiSwitches[KVM_RISCV_SBI_EXT_V01].name == "legacy" &&
              kSbiSwitches[KVM_RISCV_SBI_EXT_HSM].name == "hsm" &&
              kSbiSwitches[KVM_RISCV_SBI_EXT_DBCN].name == "dbcn" && kSbiSwitches[KVM_RISCV_SBI_EXT_STA].name == "sta");

}  // namespace

void switch_sbi_extensions(int vcpu_fd, const SbiChoices& choices) {
  for (size_t row = 0; row < kSbiSwitches.size(); ++row) {
    const SbiSwitch& extension = kSbiSwitches[row];
    const bool chosen = choices.chosen(row) != SbiSetting::kLeave;
    const bool on = choices.setting(row) == SbiSetting::kOn;
    if (!chosen && !on) continue;  // each switch costs a call on each vCPU
    if (one_reg::set(vcpu_fd, one_reg::sbi_extension(extension.kvm_id), on ? 1 : 0)) continue;
    const int error = errno;
    if (!chosen) {
      // Limited, because each machine tries this for each hart.
      if (!log::RateLimit{"SBI extension that KVM does not offer", extension.name}.allow()) continue;
      // ENOENT means an older kernel without the extension. That needs no warning at each start.
      log::line(log::Module::kKvm, error == ENOENT ? log::Level::kDebug : log::Level::kWarn,
                "KVM does not offer the SBI extension {} (errno {}): guests do not find it", extension.name, error);
    } else if (on || error != ENOENT) {
      throw sbi_switch_is_refused(extension.name, on, error);
    }
  }
}

std::optional<bool> sbi_extension_is_on(int vcpu_fd, size_t row) noexcept {
  const auto value = one_reg::get(vcpu_fd, one_reg::sbi_extension(kSbiSwitches[row].kvm_id));
  if (!value) return std::nullopt;
  return *value != 0;
}

}  // namespace rvvmm

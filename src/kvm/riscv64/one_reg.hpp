// Ids of the registers that KVM_GET_ONE_REG and KVM_SET_ONE_REG know (Linux, arch/riscv/include/uapi/asm/kvm.h).
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <optional>

#include "base/hypervisor.hpp"
#include "kvm/riscv64/kvm_ioctl.hpp"

namespace rvvmm::one_reg {

enum class Id : uint64_t {};

constexpr Id reg(uint64_t group, uint64_t index) {
  return static_cast<Id>(KVM_REG_RISCV | KVM_REG_SIZE_U64 | group | index);
}

constexpr Id config(uint64_t index) {
  return reg(KVM_REG_RISCV_CONFIG, index);
}
constexpr Id core(uint64_t index) {
  return reg(KVM_REG_RISCV_CORE, index);
}
constexpr Id csr(uint64_t index) {
  return reg(KVM_REG_RISCV_CSR | KVM_REG_RISCV_CSR_GENERAL, index);
}
constexpr Id aia_csr(uint64_t index) {
  return reg(KVM_REG_RISCV_CSR | KVM_REG_RISCV_CSR_AIA, index);
}
constexpr Id fp_double(uint64_t index) {
  return reg(KVM_REG_RISCV_FP_D, index);
}
/// The only one of 32 bits; get() and set() take the low half of their value.
constexpr Id fcsr() {
  return static_cast<Id>(KVM_REG_RISCV | KVM_REG_SIZE_U32 | KVM_REG_RISCV_FP_D | 32);
}
constexpr Id timer(uint64_t index) {
  return reg(KVM_REG_RISCV_TIMER, index);
}
constexpr Id sbi_extension(uint64_t index) {
  return reg(KVM_REG_RISCV_SBI_EXT | KVM_REG_RISCV_SBI_SINGLE, index);
}
/// 64 ISA extensions a word, one bit each.
constexpr Id isa_enabled(uint64_t word) {
  return reg(KVM_REG_RISCV_ISA_EXT | KVM_REG_RISCV_ISA_MULTI_EN, word);
}

// Fields of struct kvm_riscv_config.
inline constexpr Id kZicbomBlockSize = config(1);
inline constexpr Id kZicbozBlockSize = config(5);
inline constexpr Id kSatpMode = config(6);
inline constexpr Id kZicbopBlockSize = config(7);

inline constexpr Id kTimerFrequency = timer(0);

/// The group of `reg`, and its place there: HartRegister has the order of KVM's structures.
constexpr Id id_of(HartRegister reg) noexcept {
  const auto from = [reg](HartRegister first) { return static_cast<uint64_t>(reg) - static_cast<uint64_t>(first); };
  if (reg <= HartRegister::kMode) return core(from(HartRegister::kPc));
  if (reg <= HartRegister::kSenvcfg) return csr(from(HartRegister::kSstatus));
  if (reg <= HartRegister::kIprio2h) return aia_csr(from(HartRegister::kSiselect));
  if (reg <= HartRegister::kTimerState) return timer(1 + from(HartRegister::kTime));  // 0 is the frequency
  if (reg == HartRegister::kFcsr) return fcsr();
  return fp_double(from(HartRegister::kF0));
}

/// nullopt, with errno, where KVM does not know the register. Only from the vCPU's thread (it takes its mutex).
inline std::optional<uint64_t> get(int vcpu_fd, Id id) noexcept {
  uint64_t value = 0;
  const kvm_one_reg request{.id = static_cast<uint64_t>(id), .addr = reinterpret_cast<uintptr_t>(&value)};
  if (kvm_ioctl(vcpu_fd, KVM_GET_ONE_REG, &request) < 0) return std::nullopt;
  return value;
}

/// False, with errno, where KVM refuses.
inline bool set(int vcpu_fd, Id id, uint64_t value) noexcept {
  const kvm_one_reg request{.id = static_cast<uint64_t>(id), .addr = reinterpret_cast<uintptr_t>(&value)};
  return kvm_ioctl(vcpu_fd, KVM_SET_ONE_REG, &request) == 0;
}

}  // namespace rvvmm::one_reg

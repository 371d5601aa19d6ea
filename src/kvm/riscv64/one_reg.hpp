// Ids of the registers that KVM_GET_ONE_REG and KVM_SET_ONE_REG know (Linux, arch/riscv/include/uapi/asm/kvm.h).
#pragma once

#include <linux/kvm.h>

#include <cstdint>
#include <optional>

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

// Fields of struct kvm_riscv_core: pc, x1..x31, mode.
inline constexpr Id kPc = core(0);
/// x1..x31.
constexpr Id x(uint64_t number) {
  return core(number);
}
inline constexpr Id kA0 = x(10);
inline constexpr Id kA1 = x(11);
inline constexpr Id kMode = core(32);

// Fields of struct kvm_riscv_csr.
inline constexpr Id kSstatus = csr(0);
inline constexpr Id kSie = csr(1);
inline constexpr Id kStvec = csr(2);
inline constexpr Id kSepc = csr(4);
inline constexpr Id kScause = csr(5);
inline constexpr Id kStval = csr(6);
inline constexpr Id kSip = csr(7);
inline constexpr Id kSatp = csr(8);
inline constexpr Id kScounteren = csr(9);

inline constexpr Id kTimerFrequency = timer(0);

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

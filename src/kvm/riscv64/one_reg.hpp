// Ids of the registers of KVM_GET_ONE_REG and KVM_SET_ONE_REG (Linux, arch/riscv/include/uapi/asm/kvm.h).
#pragma once

#include <linux/kvm.h>

#include <bit>
#include <cstdint>
#include <optional>
#include <span>

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
/// The only 32-bit register. get() and set() use the low half of the value.
constexpr Id fcsr() {
  return static_cast<Id>(KVM_REG_RISCV | KVM_REG_SIZE_U32 | KVM_REG_RISCV_FP_D | 32);
}
constexpr Id vector_csr(uint64_t index) {
  return reg(KVM_REG_RISCV_VECTOR, index);
}
/// v0..v31. The id contains the size, a power of two.
constexpr Id vector(VectorRegister v, size_t vlenb) {
  const auto log2_size = static_cast<uint64_t>(std::countr_zero(vlenb));
  return static_cast<Id>(KVM_REG_RISCV | log2_size << KVM_REG_SIZE_SHIFT | KVM_REG_RISCV_VECTOR |
                         KVM_REG_RISCV_VECTOR_REG(static_cast<uint64_t>(v)));
}
constexpr Id timer(uint64_t index) {
  return reg(KVM_REG_RISCV_TIMER, index);
}
constexpr Id sbi_extension(uint64_t index) {
  return reg(KVM_REG_RISCV_SBI_EXT | KVM_REG_RISCV_SBI_SINGLE, index);
}
/// 64 ISA extensions per word, one bit each.
constexpr Id isa_enabled(uint64_t word) {
  return reg(KVM_REG_RISCV_ISA_EXT | KVM_REG_RISCV_ISA_MULTI_EN, word);
}

// Fields of struct kvm_riscv_config.
inline constexpr Id kZicbomBlockSize = config(1);
inline constexpr Id kZicbozBlockSize = config(5);
inline constexpr Id kSatpMode = config(6);
inline constexpr Id kZicbopBlockSize = config(7);

inline constexpr Id kTimerFrequency = timer(0);

/// The group of `reg` and its index there. HartRegister has the order of KVM's structures.
constexpr Id id_of(HartRegister reg) noexcept {
  const auto from = [reg](HartRegister first) { return static_cast<uint64_t>(reg) - static_cast<uint64_t>(first); };
  if (reg <= HartRegister::kMode) return core(from(HartRegister::kPc));
  if (reg <= HartRegister::kSenvcfg) return csr(from(HartRegister::kSstatus));
  if (reg <= HartRegister::kIprio2h) return aia_csr(from(HartRegister::kSiselect));
  if (reg <= HartRegister::kTimerState) return timer(1 + from(HartRegister::kTime));  // 0 is the frequency
  if (reg == HartRegister::kFcsr) return fcsr();
  if (reg <= HartRegister::kF31) return fp_double(from(HartRegister::kF0));
  return vector_csr(from(HartRegister::kVstart));
}

/// `bytes` must have the size of the register. False, with errno, if KVM does not know the register or it has another
/// size. Call this and the following functions only on the vCPU's thread, because KVM takes the vCPU's mutex.
inline bool get(int vcpu_fd, Id id, std::span<std::byte> bytes) noexcept {
  const kvm_one_reg request{.id = static_cast<uint64_t>(id), .addr = reinterpret_cast<uintptr_t>(bytes.data())};
  return kvm_ioctl(vcpu_fd, KVM_GET_ONE_REG, &request) == 0;
}
inline bool set(int vcpu_fd, Id id, std::span<const std::byte> bytes) noexcept {
  const kvm_one_reg request{.id = static_cast<uint64_t>(id), .addr = reinterpret_cast<uintptr_t>(bytes.data())};
  return kvm_ioctl(vcpu_fd, KVM_SET_ONE_REG, &request) == 0;
}

/// nullopt, with errno, if KVM does not know the register.
inline std::optional<uint64_t> get(int vcpu_fd, Id id) noexcept {
  uint64_t value = 0;
  if (!get(vcpu_fd, id, std::as_writable_bytes(std::span{&value, 1}))) return std::nullopt;
  return value;
}

/// False, with errno, if KVM refuses.
inline bool set(int vcpu_fd, Id id, uint64_t value) noexcept {
  return set(vcpu_fd, id, std::as_bytes(std::span{&value, 1}));
}

}  // namespace rvvmm::one_reg

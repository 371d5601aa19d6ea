// A cache of the registers of a hart that is outside the guest. A register is read when it is first asked for.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/hypervisor.hpp"

namespace rvvmm {

/// The first read of a register costs one hypervisor call. A changed register costs one call in write_back(). Vector
/// registers also need vlenb, which is read like any other register, and memory, which the first of them allocates. Use
/// it on the hart's own thread and only as long as the hart stays outside the guest. KVM must have completed the last
/// exit's call or access (VcpuBackend::run).
class RegisterFile {
 public:
  explicit RegisterFile(VcpuBackend& hart) noexcept : hart_(hart) {}

  /// nullopt if the hart does not have the register.
  std::optional<uint64_t> get(HartRegister reg) noexcept;
  void set(HartRegister reg, uint64_t value) noexcept;

  /// The bytes of one of v0..v31, element 0 first. They stay valid until the register is set or the RegisterFile is
  /// destroyed. nullopt if the hart has no vector registers or memory runs out.
  std::optional<std::span<const std::byte>> get(VectorRegister reg) noexcept;
  /// False, and sets nothing, if get() would return nullopt or `bytes` does not have vlenb bytes.
  bool set(VectorRegister reg, std::span<const std::byte> bytes) noexcept;

  /// False if the hypervisor refused a register; the others are written nevertheless.
  bool write_back() noexcept;

 private:
  enum class Is : uint8_t { kUnknown, kRead, kChanged };
  struct Slot {
    uint64_t value = 0;
    Is is = Is::kUnknown;
  };
  struct VectorSlots {
    std::unique_ptr<std::byte[]> bytes;  ///< all registers, one after the other
    size_t vlenb;
    std::array<Is, kVectorRegisters> is{};

    std::span<std::byte> of(size_t number) const noexcept { return {bytes.get() + number * vlenb, vlenb}; }
  };

  /// nullptr if the hart has no vector registers or memory runs out.
  VectorSlots* vector_slots() noexcept;

  VcpuBackend& hart_;
  std::array<Slot, static_cast<size_t>(HartRegister::kCount)> slots_{};
  std::unique_ptr<VectorSlots> vectors_;  ///< null until the first vector register is asked for
};

}  // namespace rvvmm

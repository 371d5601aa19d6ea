// The registers of a hart that is outside the guest, fetched when they are asked for.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/hypervisor.hpp"

namespace rvvmm {

/// What is read costs one call of the hypervisor, the first time; what is set costs one in write_back(), where it
/// changed. Vector registers need vlenb, which is read like any other, and memory, which is taken with the first of
/// them. Lives no longer than the hart stays outside the guest, on the hart's own thread; a call or access that KVM has
/// not completed yet (VcpuBackend::run) must not be in hand.
class RegisterFile {
 public:
  explicit RegisterFile(VcpuBackend& hart) noexcept : hart_(hart) {}

  /// nullopt where the hart has no such register.
  std::optional<uint64_t> get(HartRegister reg) noexcept;
  void set(HartRegister reg, uint64_t value) noexcept;

  /// The bytes of v0..v31, element 0 first, as long as the RegisterFile lives and nobody sets them anew. nullopt where
  /// the hart has no vector registers, or there is no memory for them.
  std::optional<std::span<const std::byte>> get(VectorRegister reg) noexcept;
  /// False, and nothing is set, where get() gives nullopt or `bytes` are not vlenb.
  bool set(VectorRegister reg, std::span<const std::byte> bytes) noexcept;

  /// False if the hypervisor refused one; the others are written all the same.
  bool write_back() noexcept;

 private:
  enum class Is : uint8_t { kUnknown, kRead, kChanged };
  struct Slot {
    uint64_t value = 0;
    Is is = Is::kUnknown;
  };
  struct VectorSlots {
    std::unique_ptr<std::byte[]> bytes;  ///< of all registers, one behind the other
    size_t vlenb;
    std::array<Is, kVectorRegisters> is{};

    std::span<std::byte> of(size_t number) const noexcept { return {bytes.get() + number * vlenb, vlenb}; }
  };

  /// nullptr where the hart has no vector registers, or there is no memory for them.
  VectorSlots* vector_slots() noexcept;

  VcpuBackend& hart_;
  std::array<Slot, static_cast<size_t>(HartRegister::kCount)> slots_{};
  std::unique_ptr<VectorSlots> vectors_;  ///< null until the first vector register is asked for
};

}  // namespace rvvmm

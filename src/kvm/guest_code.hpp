// Reads the instruction at a guest's pc, through the guest's own page tables if paging is on.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "base/range.hpp"

namespace rvvmm {

/// The bits `high` to `low` of an instruction, at most 31 bits.
constexpr uint32_t bits(uint32_t value, uint32_t high, uint32_t low) noexcept {
  return (value >> low) & ((1U << (high - low + 1)) - 1);
}
/// The lowest `width` bits (1 to 64) as a signed number.
constexpr int64_t sign_extended(uint64_t value, uint32_t width) noexcept {
  return static_cast<int64_t>(value << (64 - width)) >> (64 - width);
}

/// The length of an instruction, and whether it is a load that extends the sign.
struct LoadInstruction {
  uint32_t length = 4;             ///< bytes
  uint32_t rd = 0;                 ///< destination, x0..x31
  uint32_t signed_width_bits = 0;  ///< 8, 16 or 32 for LB, LH, LW and their compressed forms; 0 for anything else
};

/// Privileged specification, "RV64 load and store" and the C and Zcb tables: pure decoding.
LoadInstruction decode_load(uint32_t instruction) noexcept;

/// The RAM that the guest's code runs from. Any hart. The guest may change its page tables during a walk. That can only
/// give a wrong result, because every address is checked.
class GuestCode {
 public:
  GuestCode() = default;
  GuestCode(Gpa base, std::span<const std::byte> ram) noexcept : base_(base), ram_(ram) {}

  /// The 32 bits at `pc`; the upper half is undefined for a compressed instruction. nullopt if the page tables of
  /// `satp` (privileged specification, "satp") do not lead to RAM.
  std::optional<uint32_t> fetch(uint64_t pc, uint64_t satp) const noexcept;
  /// Translates an address with the page tables of `satp`. The result may be outside RAM. nullopt if they do not map
  /// it.
  std::optional<Gpa> translate(uint64_t address, uint64_t satp) const noexcept;

 private:
  template <typename T>
  std::optional<T> load(Gpa at) const noexcept {
    if (!GpaRange{.base = base_, .size = ram_.size()}.contains(at, sizeof(T))) return std::nullopt;
    T value;
    std::memcpy(&value, ram_.data() + (at - base_), sizeof(T));
    return value;
  }

  Gpa base_;
  std::span<const std::byte> ram_;
};

}  // namespace rvvmm

// Types for quantities of the guest that must not be mixed up.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace rvvmm {

/// Guest-physical address. Arithmetic wraps as on the machine. Use GpaRange to compare ranges.
struct Gpa {
  uint64_t value = 0;

  friend constexpr auto operator<=>(Gpa, Gpa) = default;
  friend constexpr Gpa operator+(Gpa at, uint64_t bytes) noexcept { return Gpa{at.value + bytes}; }
  /// Bytes from `b` up to `a`; meaningful when a >= b.
  friend constexpr uint64_t operator-(Gpa a, Gpa b) noexcept { return a.value - b.value; }
};

/// Global system interrupt: the number of a wired source of the interrupt controller (APLIC or PLIC). Starts at 1.
struct Gsi {
  uint32_t value = 0;
  friend constexpr auto operator<=>(Gsi, Gsi) = default;
};

/// Hart id as the guest sees it (mhartid). rvvmm numbers harts 0..n-1, which is also KVM's vCPU id.
struct HartId {
  uint32_t value = 0;
  friend constexpr auto operator<=>(HartId, HartId) = default;
};

inline namespace literals {
constexpr uint64_t operator""_KiB(unsigned long long n) {
  return n << 10;
}
constexpr uint64_t operator""_MiB(unsigned long long n) {
  return n << 20;
}
constexpr uint64_t operator""_GiB(unsigned long long n) {
  return n << 30;
}
}  // namespace literals

/// RISC-V's smallest page size, in the guest's page tables and in KVM's.
inline constexpr uint64_t kPageSize = 4_KiB;

/// `value` rounded down or up to a multiple of `alignment`, a power of two. align_up wraps at 2^64.
constexpr uint64_t align_down(uint64_t value, uint64_t alignment) noexcept {
  return value & ~(alignment - 1);
}
constexpr uint64_t align_up(uint64_t value, uint64_t alignment) noexcept {
  return align_down(value + alignment - 1, alignment);
}

}  // namespace rvvmm

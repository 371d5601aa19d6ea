// A range of guest-physical addresses. All bounds checks of guest memory and devices use it.
#pragma once

#include "base/types.hpp"

namespace rvvmm {

/// [base, base + size), which may end at 2^64 but not above it. All comparisons subtract, so nothing overflows.
struct GpaRange {
  Gpa base;
  uint64_t size = 0;

  /// True if all of [at, at + len) lies inside. An empty access lies inside when `at` is in [base, base + size].
  constexpr bool contains(Gpa at, uint64_t len) const noexcept {
    const uint64_t offset = at - base;  // below base it wraps and is larger than any size that fits above base
    return offset <= size && len <= size - offset;
  }

  /// True if the two share at least one byte.
  constexpr bool overlaps(const GpaRange& other) const noexcept {
    if (size == 0 || other.size == 0) return false;
    return base <= other.base ? other.base - base < size : base - other.base < other.size;
  }

  /// First address after the range (0 if the range ends at 2^64).
  constexpr Gpa end() const noexcept { return base + size; }

  friend constexpr bool operator==(const GpaRange&, const GpaRange&) = default;
};

}  // namespace rvvmm

// A histogram of durations: counts by powers of two, the sum and the maximum.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace rvvmm {

/// Bucket 0 counts zeros; bucket n counts values from 2^(n-1) to 2^n - 1. Plain data; one thread.
struct Log2Histogram {
  static constexpr size_t kBuckets = 65;

  std::array<uint64_t, kBuckets> buckets{};
  uint64_t total = 0;
  uint64_t max = 0;

  /// Uses the exponent of 2 * ticks + 1 as a floating-point number, because RISC-V without Zbb has no instruction that
  /// counts leading zeros. Exact below 2^51 ticks and approximate above.
  static size_t bucket_of(uint64_t ticks) noexcept {
    constexpr uint64_t kMantissaBits = 52;
    constexpr uint64_t kExponentOfOne = 1023;
    return (std::bit_cast<uint64_t>(static_cast<double>(ticks << 1 | 1)) >> kMantissaBits) - kExponentOfOne;
  }
  /// The smallest value of a bucket. For the bucket after the last one: UINT64_MAX.
  static constexpr uint64_t first_of(size_t bucket) noexcept {
    if (bucket == 0) return 0;
    return bucket < kBuckets ? uint64_t{1} << (bucket - 1) : UINT64_MAX;
  }

  /// A negative time (as a signed number) counts as 0: the clocks of two CPUs may differ by a tick, and a thread may
  /// move between them.
  void add(uint64_t ticks) noexcept {
    if (ticks > max) [[unlikely]]
      ticks = longest(ticks);
    ++buckets[bucket_of(ticks)];
    total += ticks;
  }

  void merge(const Log2Histogram& other) noexcept {
    for (size_t i = 0; i < kBuckets; ++i)
      buckets[i] += other.buckets[i];
    total += other.total;
    max = std::max(max, other.max);
  }

  uint64_t count() const noexcept {
    uint64_t count = 0;
    for (const uint64_t bucket : buckets)
      count += bucket;
    return count;
  }

  /// The value below which `share` (0 to 1) of all values are, as if each bucket were filled evenly. At most max; 0
  /// without values.
  double quantile(double share) const noexcept {
    double below = share * static_cast<double>(count());
    for (size_t i = 0; i < kBuckets; ++i) {
      const auto here = static_cast<double>(buckets[i]);
      if (here > 0 && below <= here) {
        const auto first = static_cast<double>(first_of(i));
        return std::min(first + (i == 0 ? 0 : first * below / here), static_cast<double>(max));
      }
      below -= here;
    }
    return static_cast<double>(max);
  }

  friend bool operator==(const Log2Histogram&, const Log2Histogram&) = default;

 private:
  // Few values reach this function, so the check for negative ones costs the others nothing.
  uint64_t longest(uint64_t ticks) noexcept {
    if (static_cast<int64_t>(ticks) < 0) return 0;
    max = ticks;
    return ticks;
  }
};

}  // namespace rvvmm

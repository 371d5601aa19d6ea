// How long something took, again and again: counts by powers of two, their sum and the longest.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace rvvmm {

/// Bucket 0 counts zeros, bucket n from 2^(n-1) to 2^n - 1. Plain data; one thread.
struct Log2Histogram {
  static constexpr size_t kBuckets = 65;

  std::array<uint64_t, kBuckets> buckets{};
  uint64_t total = 0;
  uint64_t max = 0;

  /// By the exponent of a floating-point number, of 2 * ticks + 1: RISC-V without Zbb has no instruction that counts
  /// zeros. Right below 2^51 ticks, and near it above.
  static size_t bucket_of(uint64_t ticks) noexcept {
    constexpr uint64_t kMantissaBits = 52;
    constexpr uint64_t kExponentOfOne = 1023;
    return (std::bit_cast<uint64_t>(static_cast<double>(ticks << 1 | 1)) >> kMantissaBits) - kExponentOfOne;
  }
  /// Of the bucket behind the last one: the longest time there is.
  static constexpr uint64_t first_of(size_t bucket) noexcept {
    if (bucket == 0) return 0;
    return bucket < kBuckets ? uint64_t{1} << (bucket - 1) : UINT64_MAX;
  }

  /// A time that went back (as a signed number, below 0) counts as 0: the clocks of two CPUs may be a tick apart, and a
  /// thread may have moved between them.
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

  /// What `share` of all (0 to 1) stay below, as if each bucket were filled evenly, and never more than max; 0 where
  /// there are none.
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
  // Here, where nearly no time comes, what is below 0 costs the others nothing.
  uint64_t longest(uint64_t ticks) noexcept {
    if (static_cast<int64_t>(ticks) < 0) return 0;
    max = ticks;
    return ticks;
  }
};

}  // namespace rvvmm

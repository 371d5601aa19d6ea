// The guest's RAM: the only translation from guest-physical addresses to our own memory.
#pragma once

#include <bit>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#include "base/fd.hpp"
#include "base/mapping.hpp"
#include "base/range.hpp"

namespace rvvmm {

enum class HugePages : uint8_t {
  kTransparent,  ///< where the host finds some: no promise
  kOff,
  k2MiB,  ///< of the host's pool (hugetlb)
  k1GiB,
};

/// How the host backs the guest's RAM.
struct RamOptions {
  HugePages huge_pages = HugePages::kTransparent;
  bool shared = false;    ///< a memfd "rvvmm-ram", which another process can map
  bool prefault = false;  ///< all of it before the guest starts
  bool merge = false;     ///< the host may merge pages that are the same (KSM); not with `shared` or a pool

  friend bool operator==(const RamOptions&, const RamOptions&) = default;
};

/// One contiguous block of RAM. Any thread may use it; the guest writes it at the same time, so a value is
/// loaded once and the copy is checked.
class GuestMemory {
 public:
  /// `size` bytes at `base`, both multiples of a page; untouched and zero, 2 MiB aligned so that KVM can map it
  /// by huge pages. Throws SetupError when the host cannot map that much, or not in the way that `options` ask for.
  GuestMemory(Gpa base, uint64_t size, const RamOptions& options = {});

  /// Back to zeroes: what a guest's reset finds. Its pages are given back to the host, but for those of a pool, or that
  /// were asked for in advance: they stay. No hart runs.
  void discard() const noexcept;

  GpaRange range() const noexcept { return range_; }
  std::span<std::byte> bytes() const noexcept { return mapping_.bytes(); }

  /// [at, at + len) in our address space; nullopt unless all of it is RAM.
  std::optional<std::span<std::byte>> slice(Gpa at, uint64_t len) const noexcept {
    if (!range_.contains(at, len)) return std::nullopt;
    return mapping_.bytes().subspan(at - range_.base, len);
  }

  /// The same for an address that SBI passes as two XLEN words: on RV64 the high one can only be zero, since no RAM
  /// lies behind 2^64 (SBI 3.0, 12.1).
  std::optional<std::span<std::byte>> slice_of_words(uint64_t base_lo, uint64_t base_hi, uint64_t len) const noexcept {
    if (base_hi != 0) return std::nullopt;
    return slice(Gpa{base_lo}, len);
  }

  /// A little-endian value of the guest, alignment not needed; nullopt unless all of it is RAM.
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  std::optional<T> load(Gpa at) const noexcept {
    const auto from = slice(at, sizeof(T));
    if (!from) return std::nullopt;
    T value;
    std::memcpy(&value, from->data(), sizeof(T));
    return value;
  }

  /// False, and nothing written, unless all of it is RAM.
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  bool store(Gpa at, const T& value) const noexcept {
    const auto to = slice(at, sizeof(T));
    if (!to) return false;
    std::memcpy(to->data(), &value, sizeof(T));
    return true;
  }

 private:
  static_assert(std::endian::native == std::endian::little, "guest values are little endian");

  GpaRange range_;
  Fd file_;  // of shared RAM
  Mapping mapping_;
  bool keeps_pages_ = false;
};

}  // namespace rvvmm

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
  kTransparent,  ///< if the host finds some; not guaranteed
  kOff,
  k2MiB,  ///< from the host's hugetlb pool
  k1GiB,
};

/// How the host backs the guest's RAM.
struct RamOptions {
  HugePages huge_pages = HugePages::kTransparent;
  bool shared = false;    ///< a memfd "rvvmm-ram", which another process can map
  bool prefault = false;  ///< allocate all of it before the guest starts
  bool merge = false;     ///< the host may merge equal pages (KSM); not with `shared` or a pool

  friend bool operator==(const RamOptions&, const RamOptions&) = default;
};

/// One contiguous block of RAM. Any thread may use it. The guest writes to it at the same time, so load a value once
/// and check the copy.
class GuestMemory {
 public:
  /// `size` bytes at `base`, both multiples of a page. The memory is zero and not yet allocated. It is aligned to 2 MiB
  /// so that KVM can map it with huge pages. Throws SetupError if the host cannot map that much, or cannot map it as
  /// `options` require.
  GuestMemory(Gpa base, uint64_t size, const RamOptions& options = {});

  /// Fills the RAM with zeroes for a guest reset. Returns the pages to the host, except pages of a pool and prefaulted
  /// pages, which stay allocated. No hart may run.
  void discard() const noexcept;

  GpaRange range() const noexcept { return range_; }
  std::span<std::byte> bytes() const noexcept { return mapping_.bytes(); }

  /// [at, at + len) in rvvmm's address space; nullopt unless all of it is RAM.
  std::optional<std::span<std::byte>> slice(Gpa at, uint64_t len) const noexcept {
    if (!range_.contains(at, len)) return std::nullopt;
    return mapping_.bytes().subspan(at - range_.base, len);
  }

  /// The same for an address that SBI passes as two XLEN words. On RV64 the high word must be zero, because no RAM
  /// exists above 2^64 (SBI 3.0, 12.1).
  std::optional<std::span<std::byte>> slice_of_words(uint64_t base_lo, uint64_t base_hi, uint64_t len) const noexcept {
    if (base_hi != 0) return std::nullopt;
    return slice(Gpa{base_lo}, len);
  }

  /// Reads a little-endian value, at any alignment; nullopt unless all of it is RAM.
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  std::optional<T> load(Gpa at) const noexcept {
    const auto from = slice(at, sizeof(T));
    if (!from) return std::nullopt;
    T value;
    std::memcpy(&value, from->data(), sizeof(T));
    return value;
  }

  /// Writes a value. False, and writes nothing, unless all of it is RAM.
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
  Fd file_;  // the memfd, if RAM is shared
  Mapping mapping_;
  bool keeps_pages_ = false;
};

}  // namespace rvvmm

// Owner of an mmap()ed range of our own address space.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

namespace rvvmm {

class Mapping {
 public:
  Mapping() = default;
  ~Mapping() { reset(); }
  Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  Mapping& operator=(Mapping&& other) noexcept {
    if (this != &other) {
      reset();
      bytes_ = std::exchange(other.bytes_, {});
    }
    return *this;
  }

  /// Zeroed private memory, not yet backed by pages, that starts at a multiple of `alignment` bytes (a power
  /// of two, at least a page). Throws SetupError naming `what` when the kernel refuses.
  static Mapping anonymous(uint64_t size, uint64_t alignment, const std::string& what);

  /// The same from the host's pool of huge pages of 2^`page_shift` bytes: they are set aside for us with this call.
  /// `file`: a memfd of such pages, shared; -1 for private ones. Empty, with errno, when the pool has too few or `size`
  /// is no multiple of a page.
  static Mapping huge_pages(uint64_t size, unsigned page_shift, int file) noexcept;

  /// `size` bytes of `fd` from its start, shared, readable and writable, at a multiple of `alignment` bytes. Throws
  /// SetupError naming `what` when the kernel refuses.
  static Mapping aligned_shared(int fd, uint64_t size, uint64_t alignment, const std::string& what);

  /// `size` bytes of `fd` from its start, shared, readable and writable. Throws SetupError naming `what`.
  static Mapping shared(int fd, uint64_t size, const char* what);

  std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  explicit Mapping(std::span<std::byte> bytes) noexcept : bytes_(bytes) {}
  static Mapping aligned(uint64_t size, uint64_t alignment, int protection, const std::string& what);
  void reset() noexcept;

  std::span<std::byte> bytes_;
};

}  // namespace rvvmm

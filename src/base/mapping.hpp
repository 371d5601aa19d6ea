// Owner of an mmap()ed range of rvvmm's own address space.
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

  /// Zeroed private memory, not yet backed by pages. It starts at a multiple of `alignment` bytes (a power of two, at
  /// least a page). Throws a SetupError that names `what` if the kernel refuses.
  static Mapping anonymous(uint64_t size, uint64_t alignment, const std::string& what);

  /// The same from the host's pool of huge pages of 2^`page_shift` bytes. This call reserves the pages. `file`: a memfd
  /// of such pages, which are then shared; -1 for private pages. Empty, with errno, if the pool has too few pages or
  /// `size` is not a multiple of a page.
  static Mapping huge_pages(uint64_t size, unsigned page_shift, int file) noexcept;

  /// `size` bytes of `fd` from its start, shared, readable and writable, at a multiple of `alignment` bytes. Throws a
  /// SetupError that names `what` if the kernel refuses.
  static Mapping aligned_shared(int fd, uint64_t size, uint64_t alignment, const std::string& what);

  /// `size` bytes of `fd` from its start, shared, readable and writable. Throws a SetupError that names `what`.
  static Mapping shared(int fd, uint64_t size, const char* what);

  std::span<std::byte> bytes() const noexcept { return bytes_; }

 private:
  explicit Mapping(std::span<std::byte> bytes) noexcept : bytes_(bytes) {}
  static Mapping aligned(uint64_t size, uint64_t alignment, int protection, const std::string& what);
  void reset() noexcept;

  std::span<std::byte> bytes_;
};

}  // namespace rvvmm

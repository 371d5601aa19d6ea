#include "base/mapping.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <format>
#include <system_error>

#include "base/error.hpp"
#include "base/types.hpp"

namespace rvvmm {

namespace {

SetupError too_much(const std::string& what) {
  return SetupError{ExitStatus::kUsage, std::format("{}: is more than this host can map ({}); give less, or see "
                                                    "ulimit -v and vm.overcommit_memory",
                                                    what, std::generic_category().message(errno))};
}

}  // namespace

Mapping Mapping::aligned(uint64_t size, uint64_t alignment, int protection, const std::string& what) {
  // mmap() aligns to pages only. So ask for more than needed and unmap both ends.
  if (size > UINT64_MAX - alignment) {
    throw SetupError{ExitStatus::kUsage, what + ": is more than any host can map; give less"};
  }
  const uint64_t asked = size + alignment;
  void* const raw = ::mmap(nullptr, asked, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) throw too_much(what);
  auto* const start = static_cast<std::byte*>(raw);
  const uint64_t skip = align_up(reinterpret_cast<uintptr_t>(raw), alignment) - reinterpret_cast<uintptr_t>(raw);
  if (skip > 0) ::munmap(start, skip);
  if (asked - skip > size) ::munmap(start + skip + size, asked - skip - size);
  return Mapping{std::span{start + skip, size}};
}

Mapping Mapping::anonymous(uint64_t size, uint64_t alignment, const std::string& what) {
  return aligned(size, alignment, PROT_READ | PROT_WRITE, what);
}

Mapping Mapping::huge_pages(uint64_t size, unsigned page_shift, int file) noexcept {
  const int anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | static_cast<int>(page_shift << MAP_HUGE_SHIFT);
  void* const raw = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, file < 0 ? anonymous : MAP_SHARED, file, 0);
  if (raw == MAP_FAILED) return {};
  return Mapping{std::span{static_cast<std::byte*>(raw), size}};
}

Mapping Mapping::aligned_shared(int fd, uint64_t size, uint64_t alignment, const std::string& what) {
  // MAP_FIXED replaces a range that we reserved for this purpose, so it cannot overwrite another mapping.
  Mapping place = aligned(size, alignment, PROT_NONE, what);
  const int flags = MAP_SHARED | MAP_FIXED | MAP_NORESERVE;
  if (::mmap(place.bytes_.data(), size, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED) throw too_much(what);
  return place;
}

Mapping Mapping::shared(int fd, uint64_t size, const char* what) {
  void* const raw = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (raw == MAP_FAILED) throw SetupError::from_errno(ExitStatus::kInternal, what, errno);
  return Mapping{std::span{static_cast<std::byte*>(raw), size}};
}

void Mapping::reset() noexcept {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
  bytes_ = {};
}

}  // namespace rvvmm

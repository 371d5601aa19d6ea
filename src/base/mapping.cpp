#include "base/mapping.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <format>
#include <system_error>

#include "base/error.hpp"
#include "base/types.hpp"

namespace rvvmm {

Mapping Mapping::anonymous(uint64_t size, uint64_t alignment, const std::string& what) {
  // mmap() aligns to pages only: ask for more and give the ends back, so that the rest costs nothing.
  if (size > UINT64_MAX - alignment) {
    throw SetupError{ExitStatus::kUsage, what + ": is more than any host can map; give less"};
  }
  const uint64_t asked = size + alignment;
  void* const raw = ::mmap(nullptr, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) {
    throw SetupError{ExitStatus::kUsage,
                     std::format("{}: is more than this host can map ({}); give less, or see ulimit -v and "
                                 "vm.overcommit_memory",
                                 what, std::generic_category().message(errno))};
  }
  auto* const start = static_cast<std::byte*>(raw);
  const uint64_t skip = align_up(reinterpret_cast<uintptr_t>(raw), alignment) - reinterpret_cast<uintptr_t>(raw);
  if (skip > 0) ::munmap(start, skip);
  if (asked - skip > size) ::munmap(start + skip + size, asked - skip - size);
  return Mapping{std::span{start + skip, size}};
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

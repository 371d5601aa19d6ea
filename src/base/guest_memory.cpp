#include "base/guest_memory.hpp"

#include <sys/mman.h>

#include "base/size_text.hpp"

namespace rvvmm {

GuestMemory::GuestMemory(Gpa base, uint64_t size)
    : range_{.base = base, .size = size}, mapping_(Mapping::anonymous(size, 2_MiB, "--mem " + mem_text(size))) {
  // Advice only: a kernel without transparent huge pages refuses, and everything still works.
  ::madvise(bytes().data(), bytes().size(), MADV_HUGEPAGE);
}

void GuestMemory::discard() const noexcept {
  ::madvise(bytes().data(), bytes().size(), MADV_DONTNEED);
}

}  // namespace rvvmm

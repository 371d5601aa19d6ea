// One operation of the host's kernel that a request of a disk needs.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>

namespace rvvmm {

struct DiskStep {
  enum class Kind : uint8_t { kRead, kWrite, kAllocate, kSync };

  Kind kind = Kind::kSync;
  int mode = 0;  ///< kAllocate: that of fallocate(2)
  uint64_t offset = 0;
  uint64_t length = 0;             ///< kRead, kWrite: of all buffers together
  std::span<const iovec> buffers;  ///< kRead, kWrite; at least one, at most IOV_MAX; stay until the step has ended
};

}  // namespace rvvmm

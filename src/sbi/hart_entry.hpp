// What HSM and system suspend ask of an address that a hart is to begin at.
#pragma once

#include "base/guest_memory.hpp"

namespace rvvmm {

/// RAM for one instruction at least, on the boundary that the C extension asks for.
inline bool hart_can_begin_at(const GuestMemory& memory, uint64_t address) noexcept {
  return address % 2 == 0 && memory.range().contains(Gpa{address}, 2);
}

}  // namespace rvvmm

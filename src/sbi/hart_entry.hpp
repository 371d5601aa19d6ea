// The check of an address at which HSM or system suspend starts a hart.
#pragma once

#include "base/guest_memory.hpp"

namespace rvvmm {

/// True if `address` is in RAM with room for at least one instruction, and aligned as the C extension requires.
inline bool hart_can_begin_at(const GuestMemory& memory, uint64_t address) noexcept {
  return address % 2 == 0 && memory.range().contains(Gpa{address}, 2);
}

}  // namespace rvvmm

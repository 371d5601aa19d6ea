// The time CSR. User space may read it, and clock_gettime() is based on it. Reading it takes one instruction.
#pragma once

#include <cstdint>

namespace rvvmm {

/// Ticks of the host's timebase. It never goes back, on any CPU.
inline uint64_t read_time() noexcept {
  uint64_t ticks = 0;
  asm volatile("rdtime %0" : "=r"(ticks));
  return ticks;
}

}  // namespace rvvmm

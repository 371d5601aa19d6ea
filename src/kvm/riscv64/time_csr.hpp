// The time CSR, which a program may read: what clock_gettime() is made of here, for a single instruction.
#pragma once

#include <cstdint>

namespace rvvmm {

/// Ticks of the host's timebase; it never goes back, on whatever CPU.
inline uint64_t read_time() noexcept {
  uint64_t ticks = 0;
  asm volatile("rdtime %0" : "=r"(ticks));
  return ticks;
}

}  // namespace rvvmm

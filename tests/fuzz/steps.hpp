// What fuzz targets have in common: input that is taken for a row of steps, and what must hold at each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>

namespace rvvmm {

inline void require(bool holds) {
  if (!holds) std::abort();
}

/// By one call: the sanitizers look at each turn of a loop, and that took most of the time there was.
inline void clear(std::span<std::byte> memory) {
  std::memset(memory.data(), 0, memory.size());
}

/// Calls `use` with each whole Step of the input, whose rest is left out.
template <typename Step, typename Use>
void for_each_step(std::span<const uint8_t> input, Use use) {
  for (; input.size() >= sizeof(Step); input = input.subspan(sizeof(Step))) {
    Step step;
    std::memcpy(&step, input.data(), sizeof step);
    use(step);
  }
}

}  // namespace rvvmm

// Content for files, pastes and downloads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace rvvmm {

/// Bytes in no order, the same each time: neighbours differ, so do places at any distance that a FIFO could confuse,
/// and they do not compress to nothing.
inline std::string pattern(size_t size) {
  std::string out(size, '\0');
  uint32_t state = 1;
  // By pointers: the tests are not optimized, and an iterator of a string is three calls a byte then.
  for (char *c = out.data(), *end = c + size; c != end; ++c) {
    state = state * 1664525 + 1013904223;
    *c = static_cast<char>(state >> 24);
  }
  return out;
}

}  // namespace rvvmm

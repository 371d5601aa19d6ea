// Text on paths that must not throw.
#pragma once

#include <new>
#include <string>

namespace rvvmm {

/// What `make` returns; empty if memory runs out.
template <typename Make>
std::string made_text(const Make& make) noexcept {
  try {
    return make();
  } catch (const std::bad_alloc&) {
    return {};
  }
}

}  // namespace rvvmm

// A host without memory: for what must go on, or say so, where operator new fails.
#pragma once

#include <cstddef>

namespace rvvmm {

/// While it lives operator new throws std::bad_alloc, in all threads: what the test itself needs it has before, and it
/// looks at what came of it afterwards. One at a time.
class NoMemory {
 public:
  NoMemory() noexcept;
  ~NoMemory();
  NoMemory(const NoMemory&) = delete;
  NoMemory& operator=(const NoMemory&) = delete;

  /// How often it has thrown.
  size_t refusals() const noexcept;
};

}  // namespace rvvmm

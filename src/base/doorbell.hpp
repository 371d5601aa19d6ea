// Stores to a device that the hypervisor turns into a signal, without an exit to us.
#pragma once

#include <cstdint>
#include <optional>

#include "base/types.hpp"

namespace rvvmm {

/// A store of `width` bytes to `at`, of the value `match` if there is one, adds one to `eventfd`.
struct Doorbell {
  Gpa at;
  uint32_t width = 4;             ///< 1, 2, 4 or 8; 0: any
  std::optional<uint64_t> match;  ///< not with a width of 0
  int eventfd = -1;               ///< open for as long as the doorbell is there
};

/// Any thread.
class DoorbellHost {
 public:
  virtual ~DoorbellHost() = default;
  /// False where the hypervisor refuses; the stores then arrive as any other.
  virtual bool add_doorbell(const Doorbell& doorbell) noexcept = 0;
  /// One that was added, the same in each field.
  virtual void remove_doorbell(const Doorbell& doorbell) noexcept = 0;
};

}  // namespace rvvmm

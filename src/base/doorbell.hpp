// Stores to a device that the hypervisor turns into an eventfd signal, without an exit to rvvmm.
#pragma once

#include <cstdint>
#include <optional>

#include "base/types.hpp"

namespace rvvmm {

/// A store of `width` bytes to `at` adds one to `eventfd`. If `match` is set, only a store of that value does.
struct Doorbell {
  Gpa at;
  uint32_t width = 4;             ///< 1, 2, 4 or 8; 0: any
  std::optional<uint64_t> match;  ///< not allowed with a width of 0
  int eventfd = -1;               ///< must stay open as long as the doorbell exists
};

/// Any thread.
class DoorbellHost {
 public:
  virtual ~DoorbellHost() = default;
  /// False if the hypervisor refuses; the stores then cause exits like any other.
  virtual bool add_doorbell(const Doorbell& doorbell) noexcept = 0;
  /// Removes a doorbell that was added; every field must be the same.
  virtual void remove_doorbell(const Doorbell& doorbell) noexcept = 0;
};

}  // namespace rvvmm

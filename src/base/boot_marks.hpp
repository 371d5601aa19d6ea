// Receives the marks that a guest sets on the boot timeline.
#pragma once

#include <string_view>

#include "base/types.hpp"

namespace rvvmm {

/// Any hart, at any time.
class BootMarks {
 public:
  virtual ~BootMarks() = default;
  /// `name` comes from the guest and may hold any bytes. False if no boot timeline was asked for, or if it is full or a
  /// write to it failed.
  virtual bool mark(HartId hart, std::string_view name) noexcept = 0;
};

}  // namespace rvvmm

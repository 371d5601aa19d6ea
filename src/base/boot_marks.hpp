// Where a guest's marks on the boot timeline go.
#pragma once

#include <string_view>

#include "base/types.hpp"

namespace rvvmm {

/// Any hart, at any time.
class BootMarks {
 public:
  virtual ~BootMarks() = default;
  /// `name` is the guest's: any bytes. False where nobody asked for marks, or they are no longer recorded.
  virtual bool mark(HartId hart, std::string_view name) noexcept = 0;
};

}  // namespace rvvmm

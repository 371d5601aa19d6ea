// The interface of an SBI extension.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/sbi_call.hpp"
#include "base/sbi_registry.hpp"
#include "base/types.hpp"

namespace rvvmm {

/// Registered once before harts run. Then all harts may call it at the same time.
class SbiExtension {
 public:
  virtual ~SbiExtension() = default;
  virtual std::string_view name() const noexcept = 0;
  /// Must not change. The ranges of two registered extensions must not overlap.
  virtual EidRange eids() const noexcept = 0;
  /// Answers one call. Its eid is in eids(); the guest chooses all other members. Return kNotSupported for a function
  /// that does not exist.
  virtual SbiRet handle(HartId hart, const SbiCall& call) noexcept = 0;
};

}  // namespace rvvmm

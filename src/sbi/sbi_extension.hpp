// What an SBI extension is to the dispatcher.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/sbi_call.hpp"
#include "base/sbi_registry.hpp"
#include "base/types.hpp"

namespace rvvmm {

/// Registered once before harts run, then called by all of them at the same time.
class SbiExtension {
 public:
  virtual ~SbiExtension() = default;
  virtual std::string_view name() const noexcept = 0;
  /// Does not change; ranges of two registered extensions must not overlap.
  virtual EidRange eids() const noexcept = 0;
  /// Answers one call; its eid lies in eids(), everything else in it is the guest's choice. A function that is
  /// not there is kNotSupported.
  virtual SbiRet handle(HartId hart, const SbiCall& call) noexcept = 0;
};

}  // namespace rvvmm

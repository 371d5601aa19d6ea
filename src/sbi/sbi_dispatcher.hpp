// The SBI extension table: finds the extension that answers an EID. Read-only while harts run.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "base/log.hpp"
#include "sbi/sbi_extension.hpp"

namespace rvvmm {

class SbiDispatcher {
 public:
  struct Entry {
    std::string_view name;
    EidRange eids;
  };

  /// Call before harts run. Throws SetupError if the EIDs overlap those of a registered extension.
  void add(std::unique_ptr<SbiExtension> extension);

  /// Any hart. If no extension answers: kNotSupported; such calls are counted, and logged with a rate limit.
  SbiRet dispatch(HartId hart, const SbiCall& call) noexcept;

  /// True if some extension answers `eid`.
  bool provides(uint64_t eid) const noexcept { return find(eid) != nullptr; }

  /// Every extension, sorted by EID. The names are valid as long as the dispatcher.
  std::vector<Entry> entries() const;

  /// How many calls no extension has answered so far, for all dispatchers.
  uint64_t unknown_calls() noexcept { return unknown_.count(); }

 private:
  struct Slot {
    EidRange eids;
    std::unique_ptr<SbiExtension> extension;
  };

  SbiExtension* find(uint64_t eid) const noexcept;

  std::vector<Slot> slots_;  // sorted by EID
  log::RateLimit unknown_{"calls that no extension answers"};
};

}  // namespace rvvmm

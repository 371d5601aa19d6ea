// The SBI extension table: finds who answers an EID. Read-only once harts run.
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

  /// Before harts run. Throws SetupError when the EIDs overlap those of an extension that is there already.
  void add(std::unique_ptr<SbiExtension> extension);

  /// kNotSupported, counted and logged sparingly, where nobody answers. Any hart.
  SbiRet dispatch(HartId hart, const SbiCall& call) noexcept;

  /// True if some extension answers `eid`.
  bool provides(uint64_t eid) const noexcept { return find(eid) != nullptr; }

  /// Every extension, by EID. The names live as long as the dispatcher.
  std::vector<Entry> entries() const;

  /// Calls that no extension answers, so far, of all dispatchers.
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

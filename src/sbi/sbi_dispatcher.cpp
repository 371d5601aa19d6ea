#include "sbi/sbi_dispatcher.hpp"

#include <algorithm>
#include <format>
#include <utility>

#include "base/error.hpp"

namespace rvvmm {

void SbiDispatcher::add(std::unique_ptr<SbiExtension> extension) {
  const EidRange eids = extension->eids();
  const auto after = std::ranges::find_if(slots_, [&](const Slot& slot) { return slot.eids.last >= eids.first; });
  if (after != slots_.end() && after->eids.first <= eids.last) {
    throw SetupError{ExitStatus::kInternal,
                     std::format("SBI extension {}: EIDs {:#x} to {:#x} overlap those of {}", extension->name(),
                                 eids.first, eids.last, after->extension->name())};
  }
  log::line(log::Module::kSbi, log::Level::kDebug, "extension {} answers EIDs {:#x} to {:#x}", extension->name(),
            eids.first, eids.last);
  slots_.insert(after, Slot{.eids = eids, .extension = std::move(extension)});
}

// A linear search, because it is fastest for the few slots.
SbiExtension* SbiDispatcher::find(uint64_t eid) const noexcept {
  for (const Slot& slot : slots_) {
    if (slot.eids.contains(eid)) return slot.extension.get();
  }
  return nullptr;
}

std::vector<SbiDispatcher::Entry> SbiDispatcher::entries() const {
  std::vector<Entry> entries;
  entries.reserve(slots_.size());
  for (const Slot& slot : slots_)
    entries.push_back({.name = slot.extension->name(), .eids = slot.eids});
  return entries;
}

SbiRet SbiDispatcher::dispatch(HartId hart, const SbiCall& call) noexcept {
  if (SbiExtension* const extension = find(call.eid)) return extension->handle(hart, call);
  if (unknown_.allow()) {
    log::line(log::Module::kSbi, log::Level::kInfo, "hart {}: no extension answers EID {:#x} FID {:#x} ({} such calls)",
              hart.value, call.eid, call.fid, unknown_.count());
  }
  return SbiRet::fail(SbiError::kNotSupported);
}

}  // namespace rvvmm

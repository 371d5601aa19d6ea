#include "sbi/extensions.hpp"

#include <memory>
#include <utility>

#include "sbi/base_probe.hpp"
#include "sbi/debug_console.hpp"
#include "sbi/hsm.hpp"
#include "sbi/hypercall.hpp"
#include "sbi/legacy_console.hpp"
#include "sbi/mpxy.hpp"
#include "sbi/system_suspend.hpp"

namespace rvvmm {

void add_extensions(SbiDispatcher& dispatcher, const SbiChoices& choices, const SbiResources& resources) {
  const auto add = [&](std::unique_ptr<SbiExtension> extension) {
    if (!choices.is_off(extension->eids())) dispatcher.add(std::move(extension));
  };
  add(std::make_unique<LegacyConsole>(resources.console_out, resources.console_in));
  add(std::make_unique<BaseProbe>(dispatcher));
  add(std::make_unique<DebugConsole>(resources.memory, resources.console_out, resources.console_in));
  add(std::make_unique<Hypercall>(Hypercall::Parts{.memory = resources.memory,
                                                   .dispatcher = dispatcher,
                                                   .finish = resources.finish,
                                                   .marks = resources.boot_marks,
                                                   .log = resources.guest_log}));
  add(std::make_unique<Mpxy>(resources.memory, resources.harts.harts()));
  // KVM never forwards calls of the standard EID, but a batch can contain them.
  for (const uint64_t eid : {Hsm::kStandardEid, Hsm::kOwnEid})
    add(std::make_unique<Hsm>(eid, resources.memory, resources.harts));
  add(std::make_unique<SystemSuspend>(resources.memory, resources.harts));
}

}  // namespace rvvmm

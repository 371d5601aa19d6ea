// Which SBI extensions KVM offers to the guest: those of kSbiSwitches, one register each.
#pragma once

#include <optional>

#include "base/sbi_switches.hpp"

namespace rvvmm {

/// Switches what was chosen, and what is on by default although KVM keeps it off. Before the vCPU's first run, and on
/// every vCPU: a guest probes on one hart and calls from another. An old kernel that lacks one that nobody chose is
/// logged, and the guest does not find it; to switch off what it lacks is no error. Throws SetupError
/// (kHostUnsupported) where it refuses what was chosen.
void switch_sbi_extensions(int vcpu_fd, const SbiChoices& choices);

/// Of that row of kSbiSwitches; nullopt where KVM does not have it.
std::optional<bool> sbi_extension_is_on(int vcpu_fd, size_t row) noexcept;

}  // namespace rvvmm

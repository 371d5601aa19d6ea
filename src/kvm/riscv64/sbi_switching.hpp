// Switches the SBI extensions that KVM offers to the guest: the rows of kSbiSwitches, one register each.
#pragma once

#include <optional>

#include "base/sbi_switches.hpp"

namespace rvvmm {

/// Applies the user's choices, and switches on what rvvmm has on by default although KVM keeps it off. Call it on every
/// vCPU before its first run, because a guest probes on one hart and calls from another. If an old kernel lacks an
/// extension that is on by default, this is logged and the guest does not find it. Switching off an extension that the
/// kernel lacks is not an error. Throws SetupError (kHostUnsupported) if the kernel refuses a choice.
void switch_sbi_extensions(int vcpu_fd, const SbiChoices& choices);

/// Whether the extension in that row of kSbiSwitches is on; nullopt if KVM does not have it.
std::optional<bool> sbi_extension_is_on(int vcpu_fd, size_t row) noexcept;

}  // namespace rvvmm

// Asks a host which SBI extensions a guest finds on it, in a temporary VM.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/guest_memory.hpp"
#include "base/hypervisor.hpp"
#include "sbi/sbi_dispatcher.hpp"

namespace rvvmm {

struct SbiFindings {
  std::vector<bool> present;                                     ///< the answer of sbi_probe_extension for each EID
  std::array<std::optional<bool>, kSbiSwitches.size()> is_on{};  ///< KVM's switches; nullopt: KVM has no such switch
};

/// Makes a VM with one vCPU over `memory`, overwrites its first page with the guest, and lets the guest probe `eids`
/// (at least one). The switches alone are not enough: KVM has a switch even if the kernel was built without the feature
/// behind it. `sbi` answers the calls that KVM forwards to rvvmm. Throws SetupError.
SbiFindings probe_sbi(Hypervisor& hypervisor, const GuestMemory& memory, const SbiChoices& choices, SbiDispatcher& sbi,
                      std::span<const uint64_t> eids);

/// The guest of the probe. It loads an EID from the address in a0, which is outside RAM, probes the EID, stores the
/// answer at the same address, and repeats this.
std::span<const uint32_t> probe_code() noexcept;

}  // namespace rvvmm

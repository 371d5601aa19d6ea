// Asks a host which SBI extensions a guest finds on it: in a VM that is thrown away.
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
  std::vector<bool> present;                                     ///< what sbi_probe_extension says, EID by EID
  std::array<std::optional<bool>, kSbiSwitches.size()> is_on{};  ///< KVM's switches; nullopt: it has none such
};

/// Makes a VM of one vCPU over `memory`, whose first page it overwrites, and has it probe `eids`, of which there is
/// one at least. The switches alone do not tell: a kernel built without what is behind one has it all the same. `sbi`
/// answers what KVM leaves to us. Throws SetupError.
SbiFindings probe_sbi(Hypervisor& hypervisor, const GuestMemory& memory, const SbiChoices& choices, SbiDispatcher& sbi,
                      std::span<const uint64_t> eids);

/// The guest of the probe. It loads an EID from the address in a0, which is no memory's, probes it, stores the answer
/// there, and begins anew.
std::span<const uint32_t> probe_code() noexcept;

}  // namespace rvvmm

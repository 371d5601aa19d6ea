// Selects the interrupt controllers that a machine may have.
#pragma once

#include <cstdint>
#include <vector>

#include "base/hypervisor.hpp"
#include "vmm/options/config.hpp"

namespace rvvmm {

/// The kinds to try for `choice` and `harts`, best first. Throws SetupError (kUsage) if the user asked for an AIA and
/// an AIA has no room for `harts`.
std::vector<IrqchipKind> irqchip_kinds(IrqchipChoice choice, uint32_t harts, const Hypervisor& hypervisor);

}  // namespace rvvmm

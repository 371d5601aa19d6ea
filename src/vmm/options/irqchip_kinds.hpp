// Which interrupt controllers a machine may have.
#pragma once

#include <cstdint>
#include <vector>

#include "base/hypervisor.hpp"
#include "vmm/options/config.hpp"

namespace rvvmm {

/// What to try for `choice` and that many harts, best first. Throws SetupError (kUsage) where an AIA was asked for and
/// has no room for them.
std::vector<IrqchipKind> irqchip_kinds(IrqchipChoice choice, uint32_t harts, const Hypervisor& hypervisor);

}  // namespace rvvmm

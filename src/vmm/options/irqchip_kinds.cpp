#include "vmm/options/irqchip_kinds.hpp"

#include <format>

#include "base/error.hpp"
#include "base/log.hpp"

namespace rvvmm {
namespace {

/// Compares only the numbers. KVM reports the same error only after it has made all vCPUs, which takes seconds.
bool aia_has_room(IrqchipChoice choice, uint32_t harts, uint32_t most) {
  if (harts <= most) return true;
  if (choice == IrqchipChoice::kAia) {
    throw SetupError{ExitStatus::kUsage,
                     std::format("--smp {}: an in-kernel AIA has room for {} harts; give at most --smp {}, or "
                                 "--irqchip plic",
                                 harts, most, most)};
  }
  log::line(log::Module::kVmm, log::Level::kInfo, "no in-kernel AIA: it has room for {} harts", most);
  return false;
}

}  // namespace

std::vector<IrqchipKind> irqchip_kinds(IrqchipChoice choice, uint32_t harts, const Hypervisor& hypervisor) {
  std::vector<IrqchipKind> kinds;
  if (choice != IrqchipChoice::kPlic && aia_has_room(choice, harts, hypervisor.max_aia_vcpus())) {
    if (hypervisor.interrupt_files_wake_harts()) kinds.push_back(IrqchipKind::kAiaHardware);
    kinds.push_back(IrqchipKind::kAiaEmulated);
  }
  if (choice != IrqchipChoice::kAia) kinds.push_back(IrqchipKind::kPlic);
  return kinds;
}

}  // namespace rvvmm

#include "vmm/machine/made_vm.hpp"

#include <format>
#include <optional>
#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"

namespace rvvmm {
namespace {

std::string_view name_of(IrqchipKind kind) noexcept {
  switch (kind) {
    case IrqchipKind::kAiaHardware: return "in-kernel AIA with guest interrupt files";
    case IrqchipKind::kAiaEmulated: return "in-kernel AIA, interrupt files in software";
    case IrqchipKind::kPlic: return "PLIC in user space";
  }
  return "";
}

/// Why the controller in use is not the best kind, in brackets; empty if it is the best, or if it was asked for.
std::string reason_for(const Irqchip& irqchip, const std::string& refusals) {
  if (!refusals.empty()) return std::format(" ({})", refusals);
  if (irqchip.kind != IrqchipKind::kAiaEmulated) return "";
  return irqchip.aia.files_left_unused ? " (guest interrupt files of this kernel can leave a hart asleep)"
                                       : " (this host has no guest interrupt files)";
}

void make_vcpus(MadeVm& made, uint32_t harts) {
  made.vcpus.reserve(harts);
  try {
    for (HartId hart{0}; hart.value < harts; ++hart.value)
      made.vcpus.push_back(made.backend->create_vcpu(hart));
  } catch (const SetupError& error) {
    // If the first vCPU fails, the reason is KVM; if a later one fails, it is the number of vCPUs.
    if (made.vcpus.empty()) throw;
    throw SetupError{error.status(), std::format("--smp {}: {}; this host has room for {} vCPUs now", harts,
                                                 error.what(), made.vcpus.size())};
  }
}

/// If the host does not have that interrupt controller: nullopt, and the reason in `why`.
std::optional<MadeVm> try_kind(const VmRequest& request, IrqchipKind kind, std::string& why) {
  MadeVm made{.backend = request.hypervisor.create_vm(request.sbi), .vcpus = {}, .irqchip = {.kind = kind, .aia = {}}};
  if (request.former_vm != nullptr) request.former_vm->reset();
  made.backend->map_ram(request.memory.range().base, request.memory.bytes());
  make_vcpus(made, request.harts);
  if (kind == IrqchipKind::kPlic) return made;
  const auto properties = made.backend->set_up_aia(kAiaLayout, request.harts, kind == IrqchipKind::kAiaEmulated, why);
  if (!properties) return std::nullopt;
  made.irqchip = {.kind = properties->kind, .aia = *properties};
  return made;
}

}  // namespace

// The VM that is tried is also used. Only after a refusal is a second VM made.
MadeVm make_vm(const VmRequest& request, std::vector<IrqchipKind>& kinds) {
  std::string refusals;
  while (!kinds.empty()) {
    std::string why;
    if (auto made = try_kind(request, kinds.front(), why)) {
      log::line(log::Module::kVmm, log::Level::kInfo, "interrupt controller: {}{}", name_of(made->irqchip.kind),
                reason_for(made->irqchip, refusals));
      return std::move(*made);
    }
    // A host without any AIA gives the same reason twice.
    if (!refusals.ends_with(why)) {
      refusals += std::format("{}no {}: {}", refusals.empty() ? "" : "; ", name_of(kinds.front()), why);
    }
    kinds.erase(kinds.begin());
  }
  throw SetupError{ExitStatus::kHostUnsupported, std::format("--irqchip: {}; try --irqchip plic", refusals)};
}

}  // namespace rvvmm

// The hypervisor's part of a machine: its VM and vCPUs, with the best interrupt controller that the host has.
#pragma once

#include <memory>
#include <vector>

#include "base/guest_memory.hpp"
#include "base/hypervisor.hpp"
#include "vmm/machine/board.hpp"

namespace rvvmm {

struct VmRequest {
  Hypervisor& hypervisor;
  const GuestMemory& memory;  ///< the guest's RAM
  uint32_t harts;
  const SbiChoices& sbi;
  std::unique_ptr<VmBackend>* former_vm;  ///< destroyed once the new VM exists; null: there is none
};

struct MadeVm {
  std::unique_ptr<VmBackend> backend;
  std::vector<std::unique_ptr<VcpuBackend>> vcpus;  ///< by hart
  Irqchip irqchip;
};

/// `kinds`: the kinds to try, best first. Kinds that the host refuses are removed, so that the next machine does not
/// try them again. Throws SetupError.
MadeVm make_vm(const VmRequest& request, std::vector<IrqchipKind>& kinds);

}  // namespace rvvmm

// The in-kernel AIA: APLIC for wired interrupts, one IMSIC per hart. Linux, Documentation/virt/kvm/devices/riscv-aia.
#pragma once

#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/hypervisor.hpp"

namespace rvvmm {

struct Aia {
  Fd device;
  AiaProperties properties;
};

/// Creates, configures and initialises the AIA of a VM whose vCPUs all exist and never ran. nullopt with the step
/// that failed and its reason in `why`: hosts exist on which any of them fails, so only the whole sequence tells.
/// `emulated`: interrupt files in software even where the host has free ones.
std::optional<Aia> make_aia(int vm_fd, const AiaLayout& layout, uint32_t harts, bool emulated, std::string& why);

}  // namespace rvvmm

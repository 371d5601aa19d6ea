// The in-kernel AIA: APLIC for wired interrupts, one IMSIC per hart. Linux, Documentation/virt/kvm/devices/riscv-aia.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/hypervisor.hpp"

namespace rvvmm {

struct Aia {
  Fd device;  ///< none: the VM has no AIA
  AiaProperties properties;
};

/// What a hart's interrupt file holds (AIA specification, "Interrupt-file region"): which identities are pending and
/// enabled, and whether it delivers them.
class InterruptFile {
 public:
  /// Of a hart that is outside the guest. Empty without an AIA.
  static InterruptFile of(const Aia& aia, HartId hart);
  /// Puts it back: true without an AIA too.
  bool restore(const Aia& aia) const noexcept;

 private:
  struct Register {
    uint64_t attribute;
    uint64_t value;
  };
  std::vector<Register> registers_;
};

/// Creates, configures and initialises the AIA of a VM whose vCPUs all exist and never ran. nullopt with the step
/// that failed and its reason in `why`: hosts exist on which any of them fails, so only the whole sequence tells.
/// `emulated`: interrupt files in software even where the host has free ones.
std::optional<Aia> make_aia(int vm_fd, const AiaLayout& layout, uint32_t harts, bool emulated, std::string& why);

}  // namespace rvvmm

// The in-kernel AIA: APLIC for wired interrupts, one IMSIC per hart. Linux, Documentation/virt/kvm/devices/riscv-aia.
#pragma once

#include <array>
#include <optional>
#include <string>

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
  static InterruptFile of(const Aia& aia, HartId hart) noexcept;
  /// Puts it back: true without an AIA too.
  bool restore(const Aia& aia) const noexcept;
  /// Whether it raises the hart's external interrupt: one that is enabled is pending, and not kept back by delivery or
  /// threshold.
  bool asks() const noexcept;

 private:
  struct Register {
    uint64_t attribute;
    uint64_t value;
  };
  static constexpr size_t kMostWords = 2048 / 64;  // of each array: there are at most 2047 identities

  /// 0 where it was not read.
  uint64_t value_of(uint64_t number) const noexcept;

  std::array<Register, 2 * kMostWords + 2> registers_{};
  size_t count_ = 0;
};

/// Creates, configures and initialises the AIA of a VM whose vCPUs all exist and never ran. nullopt with the step
/// that failed and its reason in `why`: hosts exist on which any of them fails, so only the whole sequence tells.
/// `emulated`: interrupt files in software even where the host has free ones.
std::optional<Aia> make_aia(int vm_fd, const AiaLayout& layout, uint32_t harts, bool emulated, std::string& why);

}  // namespace rvvmm

// The in-kernel AIA: APLIC for wired interrupts, one IMSIC per hart. Linux, Documentation/virt/kvm/devices/riscv-aia.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "base/fd.hpp"
#include "base/hypervisor.hpp"

namespace rvvmm {

struct Aia {
  Fd device;  ///< empty: the VM has no AIA
  AiaProperties properties;
};

/// The state of a hart's interrupt file (AIA specification, "Interrupt-file region"): which identities are pending and
/// enabled, and whether it delivers them.
class InterruptFile {
 public:
  /// Reads the file of a hart that is outside the guest. Empty without an AIA.
  static InterruptFile of(const Aia& aia, HartId hart) noexcept;
  /// Writes the state back. Also true without an AIA.
  bool restore(const Aia& aia) const noexcept;
  /// Whether the file raises the hart's external interrupt: an enabled identity is pending, and neither eidelivery nor
  /// eithreshold holds it back.
  bool asks() const noexcept;

 private:
  struct Register {
    uint64_t attribute;
    uint64_t value;
  };
  static constexpr size_t kMostWords = 2048 / 64;  // of each array, because there are at most 2047 identities

  /// 0 if the register was not read.
  uint64_t value_of(uint64_t number) const noexcept;

  std::array<Register, 2 * kMostWords + 2> registers_{};
  size_t count_ = 0;
};

/// Numbers of an interrupt file's registers, as in siselect. A register of the arrays has 32 bits, and 64-bit harts
/// have only the even numbers.
inline constexpr uint64_t kEidelivery = 0x70;
inline constexpr uint64_t kEithreshold = 0x72;
inline constexpr uint64_t kEip0 = 0x80;
inline constexpr uint64_t kEie0 = 0xC0;

/// Creates, configures and initialises the AIA of a VM. All its vCPUs must exist, and none may have run. On failure:
/// nullopt, with the failed step and its reason in `why`. Each step fails on some hosts, so only the whole sequence
/// shows whether the host can do it. `emulated`: interrupt files in software even if the host has free guest interrupt
/// files.
std::optional<Aia> make_aia(int vm_fd, const AiaLayout& layout, uint32_t harts, bool emulated, std::string& why);

}  // namespace rvvmm

// Saving and restoring the in-kernel AIA (VmBackend::save_irqchip). Linux, Documentation/virt/kvm/devices/riscv-aia.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/saved_state.hpp"
#include "kvm/riscv64/aia.hpp"

namespace rvvmm {

/// No hart may run. An empty state without an AIA. nullopt, with one line in `why`, if KVM refuses.
std::optional<IrqchipState> save_aia(const Aia& aia, uint32_t harts, std::string& why);

/// Whether `state`, which may be hostile, has the form of `here`, the state of this machine. If not, `why` has one
/// line.
bool has_same_form(const IrqchipState& state, const IrqchipState& here, std::string& why);

/// For an AIA whose harts have not run. False, with one line in `why`, if the state does not fit, KVM refuses, or a
/// hart's interrupt file does not keep what is written.
bool restore_aia(const Aia& aia, const IrqchipState& state, uint32_t harts, std::string& why);

}  // namespace rvvmm

// The hypervisor's part of a saved machine, as plain data.
//
// Order for a restore, on a VM that is made like the saved one and has not run: VmBackend::set_guest_time(), each
// hart's VcpuBackend::restore(), VmBackend::restore_irqchip(); then the devices drive their interrupt lines. Guest time
// goes on meanwhile. So set_guest_time() is called again just before the harts run.
//
// Left out on purpose:
//  - Guest time (one register for all harts): VmBackend::guest_time().
//  - Configuration, ISA and SBI extensions: fixed when a vCPU is made. They are saved to be compared.
//  - Levels of interrupt lines: the devices drive them again.
//  - PMU counters and their configuration, the baseline of steal time (SBI STA may report one jump): KVM has no
//    registers for them.
//  - A software interrupt (sip.SSIP) is restored as the guest's register only. KVM cannot be told that it is pending,
//    so it does not end a WFI that the guest executes before it looks at sip.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/hypervisor.hpp"

namespace rvvmm {

struct SavedRegister {
  uint64_t id = 0;     ///< of KVM_GET_ONE_REG: size, group and index (Linux, arch/riscv/include/uapi/asm/kvm.h)
  std::string name{};  ///< register_names.hpp, or "v0", "isa.svpbmt", "sbi.dbcn" and so on; may be empty
  std::vector<std::byte> value{};  ///< little endian, as many bytes as `id` says

  friend bool operator==(const SavedRegister&, const SavedRegister&) = default;
};

/// A hart outside the guest. Plain data that may come from a file, so nothing here is sure to be valid.
struct VcpuState {
  std::vector<SavedRegister> registers{};  ///< restored
  std::vector<SavedRegister> fixed{};      ///< compared: the machine must have the same
  HartState state = HartState::kUnknown;   ///< kRunnable or kStopped
  bool external_interrupt = false;         ///< the pin that a PLIC in user space drives

  friend bool operator==(const VcpuState&, const VcpuState&) = default;
};

/// The APLIC, register by register (AIA 1.0, ch. 4). Element 0 of the first two vectors belongs to source 1. Bit n of
/// the bit arrays, 32 bits per word, belongs to source n.
struct AplicState {
  uint32_t domaincfg = 0;
  std::vector<uint32_t> sourcecfg{};
  std::vector<uint32_t> target{};
  std::vector<uint32_t> setie{};
  std::vector<uint32_t> setip{};

  friend bool operator==(const AplicState&, const AplicState&) = default;
};

/// A hart's interrupt file (AIA 1.0, 3.8). Bit n of the bit arrays, 64 bits per word, belongs to identity n.
struct InterruptFileState {
  uint64_t eidelivery = 0;
  uint64_t eithreshold = 0;
  std::vector<uint64_t> eip{};
  std::vector<uint64_t> eie{};

  friend bool operator==(const InterruptFileState&, const InterruptFileState&) = default;
};

/// The in-kernel AIA. A VM without one has an empty state.
struct IrqchipState {
  uint32_t ids = 0;      ///< highest interrupt identity; 0: no AIA
  uint32_t sources = 0;  ///< of the APLIC
  AplicState aplic{};
  std::vector<InterruptFileState> files{};  ///< one per hart

  friend bool operator==(const IrqchipState&, const IrqchipState&) = default;
};

}  // namespace rvvmm

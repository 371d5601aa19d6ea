// What a hart was doing when it could not continue: the instruction at its pc and the address of its access.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/register_file.hpp"
#include "base/vcpu_io.hpp"
#include "kvm/guest_code.hpp"

namespace rvvmm {

/// An instruction that loads, stores, or does both.
struct MemoryInstruction {
  std::string text;       ///< "lw a0, 1(s3)"; a compressed instruction in its expanded form
  uint32_t base = 0;      ///< the register with the base address, x0..x31
  int64_t offset = 0;     ///< what is added to it
  bool is_write = false;  ///< also true for atomic instructions, except LR

  friend bool operator==(const MemoryInstruction&, const MemoryInstruction&) = default;
};

/// Unprivileged specification, "RV64 load and store" and A, F, D, V (the text omits vector registers), C, Zcb, Zacas,
/// Zabha. nullopt for every other instruction.
std::optional<MemoryInstruction> decode_memory_instruction(uint32_t instruction);

/// For a fault report: "lw a0, 1(s3) at 0x3001, where nothing is: most likely a stray pointer", "a jump to 0x0, ...".
/// Empty if the instruction at pc does not access memory.
std::string describe_access(RegisterFile& registers, const GuestCode& code, const VcpuIo& io);

}  // namespace rvvmm

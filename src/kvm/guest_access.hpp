// What a hart that cannot go on was about to do: the instruction at its pc, and the address that this one is for.
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
  std::string text;       ///< "lw a0, 1(s3)"; a compressed one as what it stands for
  uint32_t base = 0;      ///< the register with the address, x0..x31
  int64_t offset = 0;     ///< what is added to it
  bool is_write = false;  ///< true of atomic ones too, but LR

  friend bool operator==(const MemoryInstruction&, const MemoryInstruction&) = default;
};

/// Unprivileged specification, "RV64 load and store" and A, F, D, V (whose registers are left out), C, Zcb, Zacas,
/// Zabha; nullopt: it is none of these.
std::optional<MemoryInstruction> decode_memory_instruction(uint32_t instruction);

/// For a line about a fault: "lw a0, 1(s3) at 0x3001, where nothing is: most likely a stray pointer", "a jump to 0x0,
/// ...". Empty where the instruction at pc touches no memory.
std::string describe_access(RegisterFile& registers, const GuestCode& code, const VcpuIo& io);

}  // namespace rvvmm

// What to do with the registers of KVM_GET_REG_LIST when a hart is saved and restored. Pure: no call to KVM.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/saved_state.hpp"

namespace rvvmm::register_list {

enum class Use : uint8_t {
  kRestored,
  kCompared,  ///< fixed when the vCPU is made
  kLeftOut,
};

/// `doubles`: whether the list has the registers of FP_D. Registers of a group that rvvmm does not know are kRestored.
Use use_of(uint64_t id, bool doubles) noexcept;

/// Whether the list has a register of FP_D.
bool has_doubles(std::span<const uint64_t> ids) noexcept;

/// Bytes of the register, 1 to 32768.
size_t size_of(uint64_t id) noexcept;

/// SavedRegister::name.
std::string register_name(uint64_t id);

/// "register a0", or its id if it has no name.
std::string describe(uint64_t id);

/// The value of a register of at most 8 bytes.
uint64_t number(const SavedRegister& reg) noexcept;

/// The register with that id; nullptr if there is none.
const SavedRegister* find(std::span<const SavedRegister> registers, uint64_t id) noexcept;

/// Whether a hart that now has the state `here` can take over `state`, which may be hostile. If not, `why` has one
/// line. An extension that only `here` has does not matter if it has no registers.
bool fits(const VcpuState& state, const VcpuState& here, std::string& why);

}  // namespace rvvmm::register_list

#include "kvm/riscv64/register_list.hpp"

#include <linux/kvm.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <format>
#include <string_view>
#include <vector>

#include "base/register_names.hpp"
#include "base/sbi_switches.hpp"
#include "kvm/riscv64/isa.hpp"
#include "kvm/riscv64/one_reg.hpp"

namespace rvvmm::register_list {
namespace {

constexpr uint64_t kIndexMask = 0xFFFF;

uint64_t group_of(uint64_t id) noexcept {
  return id & KVM_REG_RISCV_TYPE_MASK;
}

/// With the subtype, without the size.
uint64_t place_of(uint64_t id) noexcept {
  return id & ~(KVM_REG_ARCH_MASK | KVM_REG_SIZE_MASK);
}

uint64_t raw(HartRegister reg) noexcept {
  return static_cast<uint64_t>(one_reg::id_of(reg));
}

bool is_extension(uint64_t id) noexcept {
  return group_of(id) == KVM_REG_RISCV_ISA_EXT || group_of(id) == KVM_REG_RISCV_SBI_EXT;
}

Use use_of_timer(uint64_t id) noexcept {
  if (id == static_cast<uint64_t>(one_reg::kTimerFrequency)) return Use::kCompared;
  return id == raw(HartRegister::kTime) ? Use::kLeftOut : Use::kRestored;
}

std::string hart_register_name(uint64_t id) {
  for (size_t i = 0; i < static_cast<size_t>(HartRegister::kCount); ++i) {
    const auto reg = static_cast<HartRegister>(i);
    if (raw(reg) == id) return std::string{name_of(reg)};
  }
  return {};
}

// struct kvm_riscv_config, and the timer's frequency, which does not change either.
std::string config_name(uint64_t id) {
  constexpr std::array<std::string_view, 8> kNames{"isa",    "zicbom_block_size", "mvendorid", "marchid",
                                                   "mimpid", "zicboz_block_size", "satp_mode", "zicbop_block_size"};
  if (id == static_cast<uint64_t>(one_reg::kTimerFrequency)) return "frequency";
  const uint64_t index = id & kIndexMask;
  if (id != static_cast<uint64_t>(one_reg::config(index)) || index >= kNames.size()) return {};
  return std::format("config.{}", kNames[index]);
}

std::string extension_name(uint64_t id) {
  const uint64_t index = id & kIndexMask;
  if (place_of(id) == (KVM_REG_RISCV_ISA_EXT | KVM_REG_RISCV_ISA_SINGLE | index)) {
    const std::string_view name = isa_extension_name(static_cast<uint32_t>(index));
    return name.empty() ? std::string{} : std::format("isa.{}", name);
  }
  if (place_of(id) == (KVM_REG_RISCV_SBI_EXT | KVM_REG_RISCV_SBI_SINGLE | index) && index < kSbiSwitches.size())
    return std::format("sbi.{}", kSbiSwitches[index].name);
  return {};
}

std::string vector_name(uint64_t id) {
  const uint64_t index = id & kIndexMask;
  const uint64_t first = KVM_REG_RISCV_VECTOR_REG(0);
  if (place_of(id) != (KVM_REG_RISCV_VECTOR | index) || index < first || index >= first + kVectorRegisters) return {};
  return std::format("v{}", index - first);
}

// A register that is not there counts as off.
uint64_t number_or_off(const SavedRegister* reg) noexcept {
  return reg == nullptr ? 0 : number(*reg);
}

bool is_well_formed(const SavedRegister& reg, std::string& why) {
  if (reg.value.size() != size_of(reg.id)) {
    why = std::format("{} has {} bytes, not {}", describe(reg.id), reg.value.size(), size_of(reg.id));
    return false;
  }
  if (const std::string name = register_name(reg.id); !reg.name.empty() && reg.name != name) {
    why = std::format("{} ({:#x}) has the name of another register", describe(reg.id), reg.id);
    return false;
  }
  return true;
}

bool has_no_id_twice(std::span<const SavedRegister> registers, std::string& why) {
  std::vector<uint64_t> ids;
  for (const SavedRegister& reg : registers)
    ids.push_back(reg.id);
  std::ranges::sort(ids);
  const auto twice = std::ranges::adjacent_find(ids);
  if (twice == ids.end()) return true;
  why = std::format("{} is there twice", describe(*twice));
  return false;
}

bool are_well_formed(std::span<const SavedRegister> registers, std::string& why) {
  return has_no_id_twice(registers, why) &&
         std::ranges::all_of(registers, [&why](const SavedRegister& reg) { return is_well_formed(reg, why); });
}

bool is_alike(uint64_t id, uint64_t saved, uint64_t now, std::string& why) {
  if (saved == now) return true;
  why = std::format("{} was {:#x}, and this machine has {:#x}", describe(id), saved, now);
  return false;
}

// Extensions first: their names say more than the value of config.isa.
bool are_fixed_alike(const VcpuState& state, const VcpuState& here, std::string& why) {
  for (const bool extensions : {true, false}) {
    for (const SavedRegister& reg : state.fixed) {
      if (is_extension(reg.id) != extensions) continue;
      if (!is_alike(reg.id, number(reg), number_or_off(find(here.fixed, reg.id)), why)) return false;
    }
  }
  for (const SavedRegister& reg : here.fixed) {
    if (is_extension(reg.id)) continue;
    if (!is_alike(reg.id, number_or_off(find(state.fixed, reg.id)), number(reg), why)) return false;
  }
  return true;
}

bool has_same_registers(const VcpuState& state, const VcpuState& here, std::string& why) {
  for (const SavedRegister& reg : state.registers) {
    if (find(here.registers, reg.id) != nullptr) continue;
    why = std::format("{} cannot be set on this machine", describe(reg.id));
    return false;
  }
  for (const SavedRegister& reg : here.registers) {
    if (find(state.registers, reg.id) != nullptr) continue;
    why = std::format("{} is missing", describe(reg.id));
    return false;
  }
  return true;
}

// KVM takes each value but 1 for "off".
bool has_known_states(const VcpuState& state, std::string& why) {
  if (number_or_off(find(state.registers, raw(HartRegister::kTimerState))) > 1) {
    why = std::format("{} is neither 0 nor 1", describe(raw(HartRegister::kTimerState)));
    return false;
  }
  if (state.state == HartState::kRunnable || state.state == HartState::kStopped) return true;
  why = "it is neither runnable nor stopped";
  return false;
}

}  // namespace

Use use_of(uint64_t id, bool doubles) noexcept {
  switch (group_of(id)) {
    case KVM_REG_RISCV_CONFIG:
    case KVM_REG_RISCV_ISA_EXT:
    case KVM_REG_RISCV_SBI_EXT: return Use::kCompared;
    case KVM_REG_RISCV_TIMER: return use_of_timer(id);
    case KVM_REG_RISCV_VECTOR: return id == raw(HartRegister::kVlenb) ? Use::kCompared : Use::kRestored;
    // FP_F and FP_D are the same memory: with doubles, register n of FP_F is one half of a double (Linux,
    // arch/riscv/kvm/vcpu_fp.c).
    case KVM_REG_RISCV_FP_F: return doubles ? Use::kLeftOut : Use::kRestored;
    default: return Use::kRestored;
  }
}

bool has_doubles(std::span<const uint64_t> ids) noexcept {
  return std::ranges::any_of(ids, [](uint64_t id) { return group_of(id) == KVM_REG_RISCV_FP_D; });
}

size_t size_of(uint64_t id) noexcept {
  return size_t{1} << ((id & KVM_REG_SIZE_MASK) >> KVM_REG_SIZE_SHIFT);
}

std::string register_name(uint64_t id) {
  for (const auto name_by : {hart_register_name, vector_name, config_name, extension_name})
    if (std::string name = name_by(id); !name.empty()) return name;
  return {};
}

std::string describe(uint64_t id) {
  const std::string name = register_name(id);
  return name.empty() ? std::format("register {:#x}", id) : std::format("register {}", name);
}

uint64_t number(const SavedRegister& reg) noexcept {
  uint64_t value = 0;
  std::memcpy(&value, reg.value.data(), std::min(reg.value.size(), sizeof value));
  return value;
}

const SavedRegister* find(std::span<const SavedRegister> registers, uint64_t id) noexcept {
  const auto found = std::ranges::find(registers, id, &SavedRegister::id);
  return found == registers.end() ? nullptr : &*found;
}

bool fits(const VcpuState& state, const VcpuState& here, std::string& why) {
  return are_well_formed(state.registers, why) && are_well_formed(state.fixed, why) &&
         are_fixed_alike(state, here, why) && has_same_registers(state, here, why) && has_known_states(state, why);
}

}  // namespace rvvmm::register_list

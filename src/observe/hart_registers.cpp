#include "observe/hart_registers.hpp"

#include <array>
#include <format>

#include "base/register_names.hpp"

namespace rvvmm {
namespace {

constexpr std::array kTrapCsrs{HartRegister::kSstatus, HartRegister::kStvec, HartRegister::kSepc,
                               HartRegister::kScause,  HartRegister::kStval, HartRegister::kSatp};

void add(std::vector<NamedRegister>& registers, VcpuBackend& hart, HartRegister reg) {
  if (const auto value = hart.get(reg)) registers.push_back({.name = name_of(reg), .value = *value});
}

}  // namespace

std::vector<NamedRegister> registers_of(VcpuBackend& hart) {
  std::vector<NamedRegister> registers;
  registers.reserve(kIntegerRegisters + kTrapCsrs.size());
  add(registers, hart, HartRegister::kPc);
  for (uint32_t number = 1; number < kIntegerRegisters; ++number)
    add(registers, hart, x(number));
  for (const HartRegister reg : kTrapCsrs)
    add(registers, hart, reg);
  return registers;
}

std::string register_cell(size_t index, std::string_view name, std::string_view value) {
  constexpr size_t kInALine = 4;
  return std::format("{}{:<8}{:>18}", index % kInALine == 0 ? "\n    " : "  ", name, value);
}

std::string registers_to_text(const std::vector<NamedRegister>& registers) {
  std::string text;
  for (size_t i = 0; i < registers.size(); ++i)
    text += register_cell(i, registers[i].name, std::format("{:#x}", registers[i].value));
  return text + "\n";
}

std::string registers_to_json(const std::vector<NamedRegister>& registers) {
  std::string json = "{";
  for (const NamedRegister& reg : registers)
    json += std::format("{}\"{}\": \"{:#x}\"", json.size() == 1 ? "" : ", ", reg.name, reg.value);
  return json + "}";
}

}  // namespace rvvmm

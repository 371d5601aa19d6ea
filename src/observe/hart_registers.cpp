#include "observe/hart_registers.hpp"

#include <array>
#include <format>
#include <utility>

#include "base/register_names.hpp"

namespace rvvmm {
namespace {

constexpr std::array<std::pair<std::string_view, HartRegister>, 6> kTrapCsrs{{{"sstatus", HartRegister::kSstatus},
                                                                              {"stvec", HartRegister::kStvec},
                                                                              {"sepc", HartRegister::kSepc},
                                                                              {"scause", HartRegister::kScause},
                                                                              {"stval", HartRegister::kStval},
                                                                              {"satp", HartRegister::kSatp}}};

void add(std::vector<NamedRegister>& registers, VcpuBackend& hart, std::string_view name, HartRegister reg) {
  if (const auto value = hart.get(reg)) registers.push_back({.name = name, .value = *value});
}

}  // namespace

std::vector<NamedRegister> registers_of(VcpuBackend& hart) {
  std::vector<NamedRegister> registers;
  registers.reserve(kRegisterNames.size() + kTrapCsrs.size());
  add(registers, hart, "pc", HartRegister::kPc);
  for (uint32_t number = 1; number < kRegisterNames.size(); ++number)
    add(registers, hart, kRegisterNames[number], x(number));
  for (const auto& [name, reg] : kTrapCsrs)
    add(registers, hart, name, reg);
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

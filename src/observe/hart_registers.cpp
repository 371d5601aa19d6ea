#include "observe/hart_registers.hpp"

#include <array>
#include <format>
#include <utility>

namespace rvvmm {
namespace {

constexpr std::array<std::string_view, 32> kNames{"pc", "ra", "sp", "gp", "tp",  "t0",  "t1", "t2", "s0", "s1", "a0",
                                                  "a1", "a2", "a3", "a4", "a5",  "a6",  "a7", "s2", "s3", "s4", "s5",
                                                  "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6"};
constexpr std::array<std::pair<std::string_view, HartRegister>, 6> kCsrs{{{"sstatus", HartRegister::kSstatus},
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
  registers.reserve(kNames.size() + kCsrs.size());
  for (size_t i = 0; i < kNames.size(); ++i)
    add(registers, hart, kNames[i], static_cast<HartRegister>(static_cast<size_t>(HartRegister::kPc) + i));
  for (const auto& [name, reg] : kCsrs)
    add(registers, hart, name, reg);
  return registers;
}

std::string registers_to_json(const std::vector<NamedRegister>& registers) {
  std::string json = "{";
  for (const NamedRegister& reg : registers)
    json += std::format("{}\"{}\": \"{:#x}\"", json.size() == 1 ? "" : ", ", reg.name, reg.value);
  return json + "}";
}

}  // namespace rvvmm

#include "kvm/riscv64/register_report.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <utility>

#include "base/register_names.hpp"

namespace rvvmm {
namespace {

using NamedCsr = std::pair<const char*, HartRegister>;

constexpr std::array<NamedCsr, 9> kCsrs{{{"sstatus", HartRegister::kSstatus},
                                         {"sie", HartRegister::kSie},
                                         {"sip", HartRegister::kSip},
                                         {"stvec", HartRegister::kStvec},
                                         {"sepc", HartRegister::kSepc},
                                         {"scause", HartRegister::kScause},
                                         {"stval", HartRegister::kStval},
                                         {"satp", HartRegister::kSatp},
                                         {"mode", HartRegister::kMode}}};
constexpr std::array<NamedCsr, 5> kVectorCsrs{{{"vstart", HartRegister::kVstart},
                                               {"vl", HartRegister::kVl},
                                               {"vtype", HartRegister::kVtype},
                                               {"vcsr", HartRegister::kVcsr},
                                               {"vlenb", HartRegister::kVlenb}}};
constexpr size_t kMostBytes = 64;  // of a vector register

uint64_t value(RegisterFile& registers, HartRegister reg) {
  return registers.get(reg).value_or(0);
}

// Three a line.
std::string describe(RegisterFile& registers, std::span<const NamedCsr> csrs) {
  std::string text;
  for (size_t i = 0; i < csrs.size(); ++i) {
    const bool ends_line = i % 3 == 2 || i == csrs.size() - 1;
    text += std::format("  {:7} {:016x}{}", csrs[i].first, value(registers, csrs[i].second), ends_line ? "\n" : "");
  }
  return text;
}

std::string describe_vectors(RegisterFile& registers) {
  std::string text;
  for (uint32_t number = 0; number < kVectorRegisters; ++number) {
    const auto bytes = registers.get(v(number));
    if (!bytes) break;
    text += std::format("  v{:<3} ", number);
    for (const std::byte byte : bytes->first(std::min(bytes->size(), kMostBytes)))
      text += std::format("{:02x}", static_cast<unsigned>(byte));
    text += bytes->size() > kMostBytes ? "...\n" : "\n";
  }
  return text;
}

}  // namespace

std::string describe_registers(RegisterFile& registers) {
  std::string text;
  for (uint32_t number = 1; number < kRegisterNames.size(); ++number) {
    text += std::format("  {:4} {:016x}{}", kRegisterNames[number], value(registers, x(number)),
                        number % 4 == 0 || number == kRegisterNames.size() - 1 ? "\n" : "");
  }
  text += describe(registers, kCsrs);
  const uint64_t vs = value(registers, HartRegister::kSstatus) & kSstatusVs;
  if (vs == 0 || !registers.get(HartRegister::kVlenb)) return text;
  text += describe(registers, kVectorCsrs);
  if (vs == kSstatusVs) text += describe_vectors(registers);
  return text;
}

}  // namespace rvvmm

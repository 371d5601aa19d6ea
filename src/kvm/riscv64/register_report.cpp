#include "kvm/riscv64/register_report.hpp"

#include <algorithm>
#include <array>
#include <format>

#include "base/register_names.hpp"

namespace rvvmm {
namespace {

constexpr std::array kCsrs{HartRegister::kSstatus, HartRegister::kSie,  HartRegister::kSip,
                           HartRegister::kStvec,   HartRegister::kSepc, HartRegister::kScause,
                           HartRegister::kStval,   HartRegister::kSatp, HartRegister::kMode};
constexpr std::array kVectorCsrs{HartRegister::kVstart, HartRegister::kVl, HartRegister::kVtype, HartRegister::kVcsr,
                                 HartRegister::kVlenb};
constexpr size_t kMostBytes = 64;  // of a vector register

uint64_t value(RegisterFile& registers, HartRegister reg) {
  return registers.get(reg).value_or(0);
}

// Three per line.
std::string describe(RegisterFile& registers, std::span<const HartRegister> csrs) {
  std::string text;
  for (size_t i = 0; i < csrs.size(); ++i) {
    const bool ends_line = i % 3 == 2 || i == csrs.size() - 1;
    text += std::format("  {:7} {:016x}{}", name_of(csrs[i]), value(registers, csrs[i]), ends_line ? "\n" : "");
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
  for (uint32_t number = 1; number < kIntegerRegisters; ++number) {
    text += std::format("  {:4} {:016x}{}", name_of(x(number)), value(registers, x(number)),
                        number % 4 == 0 || number == kIntegerRegisters - 1 ? "\n" : "");
  }
  text += describe(registers, kCsrs);
  const uint64_t vs = value(registers, HartRegister::kSstatus) & kSstatusVs;
  if (vs == 0 || !registers.get(HartRegister::kVlenb)) return text;
  text += describe(registers, kVectorCsrs);
  if (vs == kSstatusVs) text += describe_vectors(registers);
  return text;
}

}  // namespace rvvmm

#include "kvm/riscv64/isa.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "base/log.hpp"
#include "kvm/host_errors.hpp"
#include "kvm/riscv64/one_reg.hpp"

namespace rvvmm {
namespace {

struct IsaName {
  uint32_t kvm_id;
  std::string_view name;
};

// In the order of an ISA string: single letters (unprivileged specification, "ISA Extension Naming Conventions"), then
// Z, then S. The ids are KVM's ABI. They are numbers here, so that a binary built with older headers knows newer
// extensions. H is omitted, because KVM does not support nested guests.
constexpr std::array kIsaNames = std::to_array<IsaName>({
    {5, "i"},
    {6, "m"},
    {0, "a"},
    {3, "f"},
    {2, "d"},
    {1, "c"},
    {15, "v"},
    {11, "zicbom"},
    {71, "zicbop"},
    {12, "zicboz"},
    {68, "ziccrse"},
    {19, "zicntr"},
    {24, "zicond"},
    {20, "zicsr"},
    {21, "zifencei"},
    {48, "zihintntl"},
    {10, "zihintpause"},
    {22, "zihpm"},
    {76, "zilsd"},
    {55, "zimop"},
    {69, "zaamo"},
    {67, "zabha"},
    {53, "zacas"},
    {77, "zalasr"},
    {70, "zalrsc"},
    {61, "zawrs"},
    {51, "zfa"},
    {72, "zfbfmin"},
    {46, "zfh"},
    {47, "zfhmin"},
    {56, "zca"},
    {57, "zcb"},
    {58, "zcd"},
    {59, "zcf"},
    {75, "zclsd"},
    {60, "zcmop"},
    {17, "zba"},
    {13, "zbb"},
    {25, "zbc"},
    {26, "zbkb"},
    {27, "zbkc"},
    {28, "zbkx"},
    {18, "zbs"},
    {29, "zknd"},
    {30, "zkne"},
    {31, "zknh"},
    {32, "zkr"},
    {33, "zksed"},
    {34, "zksh"},
    {35, "zkt"},
    {52, "ztso"},
    {36, "zvbb"},
    {37, "zvbc"},
    {73, "zvfbfmin"},
    {74, "zvfbfwma"},
    {49, "zvfh"},
    {50, "zvfhmin"},
    {38, "zvkb"},
    {39, "zvkg"},
    {40, "zvkned"},
    {41, "zvknha"},
    {42, "zvknhb"},
    {43, "zvksed"},
    {44, "zvksh"},
    {45, "zvkt"},
    {62, "smnpm"},
    {23, "smstateen"},
    {14, "ssaia"},
    {54, "sscofpmf"},
    {63, "ssnpm"},
    {8, "sstc"},
    {64, "svade"},
    {65, "svadu"},
    {9, "svinval"},
    {16, "svnapot"},
    {7, "svpbmt"},
    {66, "svvptc"},
});

constexpr uint32_t kSsaia = 14;

uint64_t required(int vcpu_fd, one_reg::Id id, std::string_view name) {
  if (const auto value = one_reg::get(vcpu_fd, id)) return *value;
  throw register_is_missing(name, errno);
}

// 0 if the extension is off or the kernel is too old for the register.
uint64_t block_size(int vcpu_fd, one_reg::Id id) {
  return one_reg::get(vcpu_fd, id).value_or(0);
}

void log_description(const CpuDescription& cpu) {
  if (!log::enabled(log::Module::kKvm, log::Level::kDebug)) return;
  std::string names;
  for (const std::string& name : cpu.isa_extensions)
    names += " " + name;
  log::line(log::Module::kKvm, log::Level::kDebug, "harts have satp mode {}, a timer of {} Hz, and{}", cpu.satp_mode,
            cpu.timebase_hz, names);
}

}  // namespace

CpuDescription describe_cpu(int vcpu_fd, bool with_aia) {
  const std::array<uint64_t, 2> enabled{required(vcpu_fd, one_reg::isa_enabled(0), "the ISA extensions of a vCPU"),
                                        one_reg::get(vcpu_fd, one_reg::isa_enabled(1)).value_or(0)};
  CpuDescription cpu;
  cpu.isa_extensions.reserve(kIsaNames.size());
  for (const IsaName& isa : kIsaNames) {
    if (isa.kvm_id == kSsaia && !with_aia) continue;
    if ((enabled[isa.kvm_id / 64] >> (isa.kvm_id % 64) & 1) != 0) cpu.isa_extensions.emplace_back(isa.name);
  }
  cpu.satp_mode = required(vcpu_fd, one_reg::kSatpMode, "the deepest page-table mode of a vCPU");
  cpu.cbom_block_size = block_size(vcpu_fd, one_reg::kZicbomBlockSize);
  cpu.cboz_block_size = block_size(vcpu_fd, one_reg::kZicbozBlockSize);
  cpu.cbop_block_size = block_size(vcpu_fd, one_reg::kZicbopBlockSize);
  cpu.timebase_hz = required(vcpu_fd, one_reg::kTimerFrequency, "the frequency of a vCPU's timer");
  log_description(cpu);
  return cpu;
}

std::string_view isa_extension_name(uint32_t kvm_id) noexcept {
  const auto found = std::ranges::find(kIsaNames, kvm_id, &IsaName::kvm_id);
  return found == kIsaNames.end() ? std::string_view{} : found->name;
}

}  // namespace rvvmm

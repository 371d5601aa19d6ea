#include "vmm/commands/sbi_probe.hpp"

#include <cstring>
#include <format>
#include <string>

#include "base/error.hpp"

namespace rvvmm {
namespace {

constexpr Gpa kDoor{0x1000};  // below RAM, so that each access causes an exit

constexpr std::array<uint32_t, 7> kProbeCode{
    0x0005'0413,  //    mv   s0, a0
    0x0004'3503,  // 1: ld   a0, 0(s0)
    0x0030'0813,  //    li   a6, 3       sbi_probe_extension
    0x0100'0893,  //    li   a7, 0x10    base
    0x0000'0073,  //    ecall
    0x00B4'3023,  //    sd   a1, 0(s0)
    0xFEDF'F06F,  //    j    1b
};

class Questioner final : public VcpuIo {
 public:
  Questioner(VcpuBackend& vcpu, SbiDispatcher& sbi, std::span<const uint64_t> eids)
      : vcpu_(vcpu), sbi_(sbi), eids_(eids) {
    present_.reserve(eids.size());
  }

  bool done() const noexcept { return present_.size() == eids_.size(); }
  std::vector<bool> take() noexcept { return std::move(present_); }

  void mmio_read(HartId /*hart*/, Gpa /*at*/, std::span<std::byte> out) noexcept override {
    const uint64_t eid = done() ? 0 : eids_[present_.size()];
    std::memcpy(out.data(), &eid, out.size());
  }
  void mmio_write(HartId /*hart*/, Gpa /*at*/, std::span<const std::byte> in) noexcept override {
    uint64_t answer = 0;
    std::memcpy(&answer, in.data(), in.size());
    if (!done()) present_.push_back(answer != 0);
    if (done()) vcpu_.request_interrupt();
  }
  SbiRet sbi_ecall(HartId hart, const SbiCall& call) noexcept override { return sbi_.dispatch(hart, call); }
  std::optional<uint64_t> csr_access(HartId /*hart*/, const CsrAccess& /*access*/) noexcept override {
    return std::nullopt;
  }
  void system_event(HartId /*hart*/, const SystemEvent& /*event*/) noexcept override {}
  std::string what_is_at(Gpa /*at*/, bool /*is_write*/) const override { return "not for a probe to touch"; }

 private:
  VcpuBackend& vcpu_;
  SbiDispatcher& sbi_;
  const std::span<const uint64_t> eids_;
  std::vector<bool> present_;
};

}  // namespace

std::span<const uint32_t> probe_code() noexcept {
  return kProbeCode;
}

SbiFindings probe_sbi(Hypervisor& hypervisor, const GuestMemory& memory, const SbiChoices& choices, SbiDispatcher& sbi,
                      std::span<const uint64_t> eids) {
  const auto code = memory.bytes().first(sizeof(kProbeCode));
  std::memcpy(code.data(), kProbeCode.data(), code.size());
  __builtin___clear_cache(reinterpret_cast<char*>(code.data()), reinterpret_cast<char*>(code.data() + code.size()));

  const auto vm = hypervisor.create_vm(choices);
  vm->map_ram(memory.range().base, memory.bytes());
  const auto vcpu = vm->create_vcpu(HartId{0});
  SbiFindings findings;
  for (size_t row = 0; row < findings.is_on.size(); ++row)
    findings.is_on[row] = vm->sbi_extension_is_on(row);
  vcpu->set_entry(memory.range().base, kDoor.value, 0);
  Questioner questioner{*vcpu, sbi, eids};
  while (!questioner.done()) {
    const RunOutcome outcome = vcpu->run(questioner);
    if (outcome == RunOutcome::kContinue || outcome == RunOutcome::kInterrupted) continue;
    const std::string report = vcpu->fault_report(questioner);
    throw SetupError{ExitStatus::kInternal, "probing for SBI extensions: " + report.substr(0, report.find('\n'))};
  }
  findings.present = questioner.take();
  return findings;
}

}  // namespace rvvmm

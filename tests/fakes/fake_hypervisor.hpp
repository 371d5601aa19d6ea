// A host that grants and refuses what a test says; its VMs have FakeVcpus. Stands in for KVM above the seam.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/hypervisor.hpp"
#include "base/saved_state.hpp"
#include "fakes/fake_vcpu.hpp"

namespace rvvmm {

/// What the host of a FakeHypervisor is like: set before a VM is made.
struct FakeHost {
  uint32_t vcpus_it_has_room_for = UINT32_MAX;          ///< creating one more throws
  std::string refuses_aia_hardware;                     ///< the reason; empty: it is granted
  std::string refuses_aia_emulated;                     ///< the same
  IrqchipKind aia_granted = IrqchipKind::kAiaHardware;  ///< what the hardware kind really becomes
  bool has_interrupt_files = false;                     ///< that software ones are used instead of, where asked for
  std::array<std::optional<bool>, kSbiSwitches.size()> sbi_extensions{};  ///< whether on; nullopt: it has none such
  std::vector<Statistic> vm_statistics{};
  std::string refuses_irqchip_state{};                    ///< the reason; empty: it is saved and restored
  std::function<void(HartId, FakeVcpu&)> on_vcpu_made{};  ///< gives it a script
};

/// What was asked of the VMs of a host. Any thread for the lines, else the one that makes the machine.
struct FakeVmRecord {
  int vms = 0;
  int vms_alive = 0;
  int times_without_vm = 0;          ///< how often the last one went
  std::vector<bool> aia_attempts{};  ///< true: interrupt files in software
  SbiChoices sbi;                    ///< of the latest VM
  GpaRange ram;
  std::vector<FakeVcpu*> vcpus{};  ///< of the latest VM, for as long as it lives
  std::array<std::atomic<int>, 128> irq_level{};
  std::atomic<int> msis = 0;
  uint64_t guest_time = 0;         ///< stands still
  IrqchipState irqchip;            ///< what is saved, or was restored
  std::atomic<int> doorbells = 0;  ///< there are now
  std::atomic<int> irq_calls = 0;
};

class FakeVmBackend final : public VmBackend {
 public:
  FakeVmBackend(const FakeHost& host, FakeVmRecord& record) : host_(host), record_(record) {
    ++record_.vms;
    ++record_.vms_alive;
    record_.vcpus.clear();
  }
  ~FakeVmBackend() override {
    if (--record_.vms_alive == 0) ++record_.times_without_vm;
  }
  FakeVmBackend(const FakeVmBackend&) = delete;
  FakeVmBackend& operator=(const FakeVmBackend&) = delete;

  void map_ram(Gpa base, std::span<std::byte> memory) override { record_.ram = {.base = base, .size = memory.size()}; }
  bool map_rom(Gpa /*base*/, std::span<const std::byte> /*memory*/) noexcept override { return true; }
  std::unique_ptr<VcpuBackend> create_vcpu(HartId hart) override {
    if (record_.vcpus.size() >= host_.vcpus_it_has_room_for) {
      throw SetupError{ExitStatus::kInternal, "KVM_CREATE_VCPU: Too many open files"};
    }
    auto vcpu = std::make_unique<FakeVcpu>();
    record_.vcpus.push_back(vcpu.get());
    if (host_.on_vcpu_made) host_.on_vcpu_made(hart, *vcpu);
    return vcpu;
  }
  std::optional<AiaProperties> set_up_aia(const AiaLayout& /*layout*/, uint32_t /*harts*/, bool emulated,
                                          std::string& why) override {
    record_.aia_attempts.push_back(emulated);
    const std::string& refusal = emulated ? host_.refuses_aia_emulated : host_.refuses_aia_hardware;
    if (!refusal.empty()) {
      why = refusal;
      return std::nullopt;
    }
    return AiaProperties{.kind = emulated ? IrqchipKind::kAiaEmulated : host_.aia_granted,
                         .ids = 255,
                         .files_left_unused = emulated && host_.has_interrupt_files};
  }
  CpuDescription describe_cpu(bool /*with_aia*/) override {
    CpuDescription cpu;
    cpu.isa_extensions = {"i", "m", "a", "c"};
    cpu.timebase_hz = 10'000'000;
    return cpu;
  }
  std::optional<bool> sbi_extension_is_on(size_t row) noexcept override { return host_.sbi_extensions[row]; }
  void set_irq_line(Gsi gsi, bool asserted) noexcept override {
    ++record_.irq_calls;
    if (gsi.value < record_.irq_level.size()) record_.irq_level[gsi.value].store(asserted ? 1 : 0);
  }
  std::optional<uint64_t> guest_time() noexcept override { return record_.guest_time; }
  bool set_guest_time(uint64_t ticks) noexcept override {
    record_.guest_time = ticks;
    return true;
  }
  std::optional<IrqchipState> save_irqchip(std::string& why) override {
    why = host_.refuses_irqchip_state;
    if (!why.empty()) return std::nullopt;
    return record_.irqchip;
  }
  bool restore_irqchip(const IrqchipState& state, std::string& why) override {
    why = host_.refuses_irqchip_state;
    if (!why.empty()) return false;
    record_.irqchip = state;
    return true;
  }
  uint64_t ticks() const noexcept override { return 0; }
  uint64_t timebase_hz() const noexcept override { return 10'000'000; }
  std::vector<Statistic> statistics() override { return host_.vm_statistics; }
  void signal_msi(const MsiMessage& /*message*/) noexcept override { ++record_.msis; }
  bool add_doorbell(const Doorbell& /*doorbell*/) noexcept override {
    ++record_.doorbells;
    return true;
  }
  void remove_doorbell(const Doorbell& /*doorbell*/) noexcept override { --record_.doorbells; }

 private:
  const FakeHost& host_;
  FakeVmRecord& record_;
};

class FakeHypervisor final : public Hypervisor {
 public:
  std::unique_ptr<VmBackend> create_vm(const SbiChoices& sbi) override {
    record.sbi = sbi;
    return std::make_unique<FakeVmBackend>(host, record);
  }
  uint32_t max_vcpus() const override { return 16; }
  uint32_t max_aia_vcpus() const override { return 12; }
  bool interrupt_files_wake_harts() const override { return true; }

  FakeHost host;
  FakeVmRecord record;
};

}  // namespace rvvmm

// Saves a VM in the middle of a guest's work, restores it into a new VM, and lets both go on: on real KVM.
#include "base/saved_state.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <format>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/mapping.hpp"
#include "fakes/idle_io.hpp"
#include "kvm/riscv64/kvm_system.hpp"

extern "C" const char kGuest[];
extern "C" const char kGuestEnd[];

namespace rvvmm::state_test {
namespace {

using ::testing::HasSubstr;

// As in guest.S.
constexpr Gpa kRam{0x8000'0000};
constexpr Gpa kReport{0x1000'0000};
constexpr uint64_t kReady = 0x5eadf;
constexpr uint64_t kEnd = 0xe0d;
constexpr uint64_t kFlagAia = 1;
constexpr uint64_t kFlagVectors = 2;
constexpr uint64_t kTimerTicks = 10'000'000;
constexpr uint64_t kMostLateTicks = 10 * kTimerTicks;
constexpr std::chrono::milliseconds kLongerThanTheTimer{1200};

constexpr uint64_t kRamSize = 2_MiB;
constexpr AiaLayout kAiaLayout{.imsic_base = Gpa{0x2800'0000}, .aplic_base = Gpa{0x0d00'0000}, .sources = 40};

enum class Controller : uint8_t { kFiles, kEmulated, kPin };

constexpr const char* name_of(Controller controller) {
  switch (controller) {
    case Controller::kFiles: return "Files";
    case Controller::kEmulated: return "Emulated";
    case Controller::kPin: return "Pin";
  }
  return "";
}

struct Saved {
  uint64_t time = 0;
  std::vector<VcpuState> harts;
  IrqchipState irqchip;
  std::vector<std::byte> ram;
};

/// A VM and its harts, which run one after the other on the thread of the test.
class Machine : public IdleIo {
 public:
  Machine(KvmSystem& kvm, uint32_t harts) : vm_(kvm.create_vm({})) {
    vm_->map_ram(kRam, ram_.bytes());
    for (uint32_t hart = 0; hart < harts; ++hart)
      vcpus_.push_back(vm_->create_vcpu(HartId{hart}));
    reports.resize(harts);
  }

  /// False if this host has no such controller.
  bool set_up(Controller controller) {
    if (controller == Controller::kPin) return true;
    std::string why;
    const auto got = vm_->set_up_aia(kAiaLayout, harts(), controller == Controller::kEmulated, why);
    has_aia_ = got.has_value();
    const auto wanted = controller == Controller::kFiles ? IrqchipKind::kAiaHardware : IrqchipKind::kAiaEmulated;
    return got && got->kind == wanted;
  }

  void load_guest() {
    const std::span code{kGuest, static_cast<size_t>(kGuestEnd - kGuest)};
    std::memcpy(ram_.bytes().data(), code.data(), code.size());
    __builtin___clear_cache(reinterpret_cast<char*>(ram_.bytes().data()),
                            reinterpret_cast<char*>(ram_.bytes().data()) + code.size());
  }
  void start(uint32_t hart) {
    const uint64_t vectors = vcpus_[hart]->get(HartRegister::kVlenb).value_or(0) != 0 ? kFlagVectors : 0;
    vcpus_[hart]->set_entry(kRam, hart, vectors | (has_aia_ ? kFlagAia : 0));
    ASSERT_TRUE(vcpus_[hart]->set_state(HartState::kRunnable));
  }
  /// Runs a hart until it has stored `last`. A guest that hangs is ended by the alarm.
  void run_until(uint32_t hart, uint64_t last) {
    ::alarm(60);
    last_ = last;
    vcpus_[hart]->clear_interrupt();
    RunOutcome outcome = RunOutcome::kContinue;
    while (reports[hart].empty() || reports[hart].back() != last) {
      outcome = vcpus_[hart]->run(*this);
      ASSERT_EQ(outcome, RunOutcome::kInterrupted) << vcpus_[hart]->fault_report(*this);
    }
    ::alarm(0);
  }
  void mmio_write(HartId hart, Gpa at, std::span<const std::byte> in) noexcept override {
    uint64_t value = 0;
    std::memcpy(&value, in.data(), in.size());
    EXPECT_EQ(at, kReport);
    reports[hart.value].push_back(value);
    if (value == last_) vcpus_[hart.value]->request_interrupt();
  }

  void save(Saved& to) {
    std::string why;
    to.harts.clear();
    for (auto& vcpu : vcpus_) {
      auto state = vcpu->save(why);
      ASSERT_TRUE(state) << why;
      to.harts.push_back(std::move(*state));
    }
    auto irqchip = vm_->save_irqchip(why);
    ASSERT_TRUE(irqchip) << why;
    to.irqchip = std::move(*irqchip);
    to.ram.assign(ram_.bytes().begin(), ram_.bytes().end());
    to.time = vm_->guest_time().value_or(0);
  }
  /// In the order of saved_state.hpp.
  void restore(const Saved& from) {
    std::string why;
    std::ranges::copy(from.ram, ram_.bytes().begin());
    ASSERT_TRUE(vm_->set_guest_time(from.time));
    for (uint32_t hart = 0; hart < harts(); ++hart)
      ASSERT_TRUE(vcpus_[hart]->restore(from.harts[hart], why)) << why;
    ASSERT_TRUE(vm_->restore_irqchip(from.irqchip, why)) << why;
    ASSERT_TRUE(vm_->set_guest_time(from.time));
  }

  uint32_t harts() const { return static_cast<uint32_t>(vcpus_.size()); }
  VmBackend& vm() { return *vm_; }
  VcpuBackend& vcpu(uint32_t hart) { return *vcpus_[hart]; }

  std::vector<std::vector<uint64_t>> reports;  ///< by hart

 private:
  Mapping ram_ = Mapping::anonymous(kRamSize, 2_MiB, "RAM");
  std::unique_ptr<VmBackend> vm_;
  std::vector<std::unique_ptr<VcpuBackend>> vcpus_;
  uint64_t last_ = 0;
  bool has_aia_ = false;
};

/// What differs, one line for each register: nobody reads two states of 200 registers.
std::string difference(const std::vector<SavedRegister>& a, const std::vector<SavedRegister>& b) {
  std::map<std::pair<uint64_t, std::string>, std::array<std::string, 2>> values;
  for (int i = 0; i < 2; ++i) {
    for (const SavedRegister& reg : i == 0 ? a : b) {
      std::string& text = values[{reg.id, reg.name}][static_cast<size_t>(i)];
      for (const std::byte byte : reg.value)
        text += std::format("{:02x}", static_cast<unsigned>(byte));
    }
  }
  std::string text;
  for (const auto& [reg, both] : values)
    if (both[0] != both[1]) text += std::format("{:#x} {}: {} and {}\n", reg.first, reg.second, both[0], both[1]);
  return text;
}

uint64_t saved_compare(const Saved& saved) {
  uint64_t value = 0;
  for (const SavedRegister& reg : saved.harts[0].registers)
    if (reg.name == "stimecmp") std::memcpy(&value, reg.value.data(), sizeof value);
  return value;
}

void expect_same(const Saved& a, const Saved& b) {
  ASSERT_EQ(a.harts.size(), b.harts.size());
  for (size_t hart = 0; hart < a.harts.size(); ++hart) {
    EXPECT_EQ(difference(a.harts[hart].registers, b.harts[hart].registers), "") << "hart " << hart;
    EXPECT_EQ(difference(a.harts[hart].fixed, b.harts[hart].fixed), "") << "hart " << hart;
    EXPECT_EQ(a.harts[hart].state, b.harts[hart].state) << "hart " << hart;
    EXPECT_EQ(a.harts[hart].external_interrupt, b.harts[hart].external_interrupt) << "hart " << hart;
  }
  EXPECT_TRUE(a.irqchip.aplic == b.irqchip.aplic);
  ASSERT_EQ(a.irqchip.files.size(), b.irqchip.files.size());
  for (size_t hart = 0; hart < a.irqchip.files.size(); ++hart) {
    EXPECT_EQ(a.irqchip.files[hart].eip, b.irqchip.files[hart].eip) << "hart " << hart;
    EXPECT_EQ(a.irqchip.files[hart].eie, b.irqchip.files[hart].eie) << "hart " << hart;
    EXPECT_TRUE(a.irqchip.files[hart] == b.irqchip.files[hart]) << "hart " << hart;
  }
  EXPECT_TRUE(a.irqchip == b.irqchip);
}

class StateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::access("/dev/kvm", F_OK) != 0) GTEST_SKIP() << "skipped: no /dev/kvm";
    kvm = std::make_unique<KvmSystem>();
  }

  std::unique_ptr<KvmSystem> kvm;
};

struct Shape {
  Controller controller;
  uint32_t harts;
};

class SavedMachine : public StateTest, public ::testing::WithParamInterface<Shape> {
 protected:
  /// Of four harts the last one is never started.
  uint32_t running() const { return GetParam().harts == 1 ? 1 : GetParam().harts - 1; }

  void send_interrupts(Machine& machine) const {
    for (uint32_t hart = 0; hart < running(); ++hart) {
      if (GetParam().controller == Controller::kPin) {
        machine.vcpu(hart).set_external_interrupt(true);
        continue;
      }
      const uint64_t page = kAiaLayout.imsic_base.value + hart * 4_KiB;
      machine.vm().signal_msi({.address = page, .data = 5});
      if (GetParam().controller == Controller::kFiles) machine.vm().signal_msi({.address = page, .data = 40});
    }
    if (GetParam().controller == Controller::kPin) return;
    for (const uint32_t source : {3U, 4U}) {
      machine.vm().set_irq_line(Gsi{source}, true);
      machine.vm().set_irq_line(Gsi{source}, false);
    }
  }

  void go_on_to_the_end(Machine& machine) const {
    for (uint32_t hart = 0; hart < running(); ++hart) {
      machine.reports[hart].clear();
      machine.run_until(hart, kEnd);
    }
  }

  /// A VM that is saved in the middle of its guest's work. Its reports after that. It does not live on, because it may
  /// hold all guest interrupt files of the host.
  /// `wait`: before the save, with all harts outside the guest.
  std::vector<std::vector<uint64_t>> save_and_go_on(Saved& saved, std::chrono::milliseconds wait = {}) {
    Machine first{*kvm, GetParam().harts};
    if (!first.set_up(GetParam().controller)) {
      [] { GTEST_SKIP() << "this host has no such interrupt controller"; }();
      return {};
    }
    first.load_guest();
    for (uint32_t hart = 0; hart < running(); ++hart) {
      first.start(hart);
      first.run_until(hart, kReady);
    }
    send_interrupts(first);
    std::this_thread::sleep_for(wait);
    first.save(saved);
    for (uint32_t hart = 0; hart < saved.harts.size(); ++hart)
      EXPECT_EQ(saved.harts[hart].state, hart < running() ? HartState::kRunnable : HartState::kStopped);
    go_on_to_the_end(first);
    return first.reports;
  }

  void expect_identities(const Machine& machine) const {
    if (GetParam().controller == Controller::kFiles) {
      EXPECT_THAT(identities(machine, 0), ::testing::ElementsAre(5, 7, 8, 40));
      for (uint32_t hart = 1; hart < running(); ++hart)
        EXPECT_THAT(identities(machine, hart), ::testing::ElementsAre(5, 40));
    }
    if (GetParam().controller == Controller::kEmulated) {
      EXPECT_THAT(identities(machine, 0), ::testing::ElementsAre(5, 7, 8));
    }
  }

  std::vector<uint64_t> identities(const Machine& machine, uint32_t hart) const {
    std::vector<uint64_t> ids;
    for (const uint64_t value : machine.reports[hart])  // stopei has the identity twice
      if (value != 0 && value >> 16 == (value & 0xFFFF)) ids.push_back(value >> 16);
    return ids;
  }
};

TEST_P(SavedMachine, GoesOnInANewVmAsInTheOldOne) {
  Saved saved;
  const auto reports = save_and_go_on(saved);
  if (IsSkipped() || HasFatalFailure()) return;

  Machine second{*kvm, GetParam().harts};
  ASSERT_TRUE(second.set_up(GetParam().controller));
  ASSERT_NO_FATAL_FAILURE(second.restore(saved));
  Saved again;
  ASSERT_NO_FATAL_FAILURE(second.save(again));
  ASSERT_NO_FATAL_FAILURE(expect_same(saved, again));
  EXPECT_GE(again.time, saved.time);
  EXPECT_LT(again.time, saved.time + kMostLateTicks);

  go_on_to_the_end(second);
  EXPECT_EQ(second.reports, reports);
  const uint64_t compare = saved_compare(saved);
  EXPECT_GE(second.vm().guest_time().value_or(0), compare);
  EXPECT_LT(second.vm().guest_time().value_or(0), compare + kMostLateTicks);
  for (uint32_t hart = 0; hart < GetParam().harts; ++hart)
    EXPECT_EQ(second.vcpu(hart).state(), hart < running() ? HartState::kRunnable : HartState::kStopped);
  expect_identities(second);
}

// Without Sstc KVM has then taken the timer's interrupt, and its timer is off.
TEST_P(SavedMachine, WhoseTimerHasExpiredGetsTheInterruptInTheNewVm) {
  Saved saved;
  const auto reports = save_and_go_on(saved, kLongerThanTheTimer);
  if (IsSkipped() || HasFatalFailure()) return;
  EXPECT_GE(saved.time, saved_compare(saved));

  Machine second{*kvm, GetParam().harts};
  ASSERT_TRUE(second.set_up(GetParam().controller));
  ASSERT_NO_FATAL_FAILURE(second.restore(saved));
  go_on_to_the_end(second);
  EXPECT_EQ(second.reports, reports);
}

INSTANTIATE_TEST_SUITE_P(State, SavedMachine,
                         ::testing::Values(Shape{Controller::kFiles, 1}, Shape{Controller::kFiles, 4},
                                           Shape{Controller::kEmulated, 1}, Shape{Controller::kEmulated, 4},
                                           Shape{Controller::kPin, 1}, Shape{Controller::kPin, 4}),
                         [](const auto& shape) {
                           return std::string{name_of(shape.param.controller)} + std::to_string(shape.param.harts);
                         });

/// A state of a hart of this host, to be spoiled.
class RefusedState : public StateTest {
 protected:
  void SetUp() override {
    StateTest::SetUp();
    if (IsSkipped()) return;
    machine = std::make_unique<Machine>(*kvm, 1);
    machine->save(saved);
  }
  VcpuState& hart() { return saved.harts[0]; }
  std::string refusal() {
    std::string why;
    EXPECT_FALSE(machine->vcpu(0).restore(hart(), why));
    EXPECT_EQ(std::ranges::count(why, '\n'), 0);
    return why;
  }
  SavedRegister& reg(std::vector<SavedRegister>& registers, std::string_view name) {
    return *std::ranges::find(registers, name, &SavedRegister::name);
  }

  Saved saved;
  std::unique_ptr<Machine> machine;
};

TEST_F(RefusedState, UnspoiledIsTakenOver) {
  std::string why;
  EXPECT_TRUE(machine->vcpu(0).restore(hart(), why)) << why;
}

TEST_F(RefusedState, UnknownRegister) {
  hart().registers.push_back({.id = 0x8030'0000'0BFF'0000, .value = std::vector<std::byte>(8)});
  EXPECT_EQ(refusal(), "hart 0: register 0x803000000bff0000 cannot be set on this machine");
}

TEST_F(RefusedState, RegisterOfAnotherSize) {
  reg(hart().registers, "a0").value.resize(3);
  EXPECT_EQ(refusal(), "hart 0: register a0 has 3 bytes, not 8");
}

TEST_F(RefusedState, MissingRegister) {
  std::erase_if(hart().registers, [](const SavedRegister& each) { return each.name == "satp"; });
  EXPECT_EQ(refusal(), "hart 0: register satp is missing");
}

TEST_F(RefusedState, EmptyState) {
  hart() = {};
  EXPECT_THAT(refusal(), HasSubstr("hart 0: "));
}

TEST_F(RefusedState, OfAnotherIsa) {
  SavedRegister& isa = reg(hart().fixed, "isa.c");
  isa.value[0] ^= std::byte{1};
  EXPECT_EQ(refusal(), "hart 0: register isa.c was 0x0, and this machine has 0x1");
}

TEST_F(RefusedState, OfAnotherTimer) {
  reg(hart().fixed, "frequency").value[0] ^= std::byte{1};
  EXPECT_THAT(refusal(), HasSubstr("register frequency was "));
}

TEST_F(RefusedState, OfAnInterruptController) {
  Machine with_aia{*kvm, 1};
  if (!with_aia.set_up(Controller::kEmulated)) GTEST_SKIP() << "this host has no AIA";
  Saved other;
  with_aia.save(other);
  std::string why;
  EXPECT_FALSE(machine->vm().restore_irqchip(other.irqchip, why));
  EXPECT_THAT(why, HasSubstr("interrupt identities, and this machine's has 0"));
}

TEST_F(RefusedState, PinOfAMachineWithInterruptFiles) {
  Machine with_aia{*kvm, 1};
  if (!with_aia.set_up(Controller::kEmulated)) GTEST_SKIP() << "this host has no AIA";
  with_aia.save(saved);
  hart().external_interrupt = true;
  std::string why;
  EXPECT_FALSE(with_aia.vcpu(0).restore(hart(), why));
  EXPECT_EQ(why, "hart 0: its pin is asserted, and this machine's harts have interrupt files instead");
}

TEST_F(RefusedState, IdentityThatFilesInSoftwareLack) {
  Machine with_aia{*kvm, 1};
  if (!with_aia.set_up(Controller::kEmulated)) GTEST_SKIP() << "this host has no AIA";
  with_aia.save(saved);
  saved.irqchip.files[0].eie[0] = 1UL << 40 | 1UL << 5;
  std::string why;
  EXPECT_FALSE(with_aia.vm().restore_irqchip(saved.irqchip, why));
  EXPECT_THAT(why, HasSubstr("interrupt file of hart 0: eie 0xc0 keeps 0x20 of 0x10000000020"));
}

}  // namespace
}  // namespace rvvmm::state_test

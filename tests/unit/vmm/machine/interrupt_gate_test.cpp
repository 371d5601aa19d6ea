#include "vmm/machine/interrupt_gate.hpp"

#include <gtest/gtest.h>

#include "fakes/fake_hypervisor.hpp"

namespace rvvmm::interrupt_gate_test {
namespace {

constexpr Gpa kFile{0x2800'0000};

class InterruptGateTest : public ::testing::Test {
 protected:
  FakeHypervisor hypervisor;
  std::unique_ptr<VmBackend> vm = hypervisor.create_vm({});
  std::vector<std::unique_ptr<VcpuBackend>> harts = [this] {
    std::vector<std::unique_ptr<VcpuBackend>> made;
    for (uint32_t hart = 0; hart < 2; ++hart)
      made.push_back(vm->create_vcpu(HartId{hart}));
    return made;
  }();
  int raised = 0;
  InterruptGate gate{*vm, harts, [this] { ++raised; }};
  const FakeVmRecord& record = hypervisor.record;
};

TEST_F(InterruptGateTest, PassesEverythingOn) {
  gate.set_line(Gsi{3}, true);
  EXPECT_EQ(record.irq_level[3], 1);
  gate.set_line(Gsi{3}, false);
  EXPECT_EQ(record.irq_level[3], 0);
  gate.signal_msi({});
  EXPECT_EQ(record.msis, 1);
  const auto pins = gate.pins();
  ASSERT_EQ(pins.size(), 2U);
  pins[1]->set_external_interrupt(true);
  EXPECT_TRUE(record.vcpus[1]->external_interrupt);
  EXPECT_FALSE(record.vcpus[0]->external_interrupt);
  EXPECT_FALSE(gate.connect_msi(5, {}));  // a hypervisor that cannot
  EXPECT_EQ(raised, 0);
}

TEST_F(InterruptGateTest, WatchedItTellsOfEachThatIsRaised) {
  gate.falls_asleep(kFile);
  gate.sleeps();
  gate.set_line(Gsi{3}, true);
  EXPECT_EQ(raised, 1);
  gate.signal_msi({});
  EXPECT_EQ(raised, 2);
  gate.pins()[0]->set_external_interrupt(true);
  EXPECT_EQ(raised, 3);
  gate.connect_msi(5, {});
  EXPECT_EQ(raised, 4);
  gate.set_line(Gsi{3}, false);
  gate.pins()[0]->set_external_interrupt(false);
  gate.disconnect_msi(5);
  EXPECT_EQ(raised, 4);
  gate.is_awake();
  gate.signal_msi({});
  EXPECT_EQ(raised, 4);
}

TEST_F(InterruptGateTest, MessagesForAFileThatIsClearedAreSentAgain) {
  gate.falls_asleep(kFile);
  for (const uint32_t identity : {1U, 64U, 2047U, 64U})
    gate.signal_msi({.address = kFile.value, .data = identity});
  gate.signal_msi({.address = kFile.value + 4096, .data = 3});  // another hart's
  gate.signal_msi({.address = kFile.value, .data = 2048});      // none that there is
  EXPECT_EQ(record.msis, 6);
  EXPECT_EQ(raised, 6);
  gate.sleeps();
  EXPECT_EQ(record.msis, 9);
  gate.is_awake();
  gate.falls_asleep(kFile);
  gate.sleeps();
  EXPECT_EQ(record.msis, 9);
}

}  // namespace
}  // namespace rvvmm::interrupt_gate_test

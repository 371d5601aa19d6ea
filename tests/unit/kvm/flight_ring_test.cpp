#include "kvm/flight_ring.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <thread>

#include "base/mapping.hpp"

namespace rvvmm::flight_ring_test {
namespace {

class FlightRingTest : public ::testing::Test {
 protected:
  const Mapping memory_ = Mapping::anonymous(FlightRing::kBytes, 4096, "test");
  FlightRing ring{memory_.bytes()};
};

kvm_run store(uint64_t value) {
  kvm_run run{};
  run.exit_reason = KVM_EXIT_MMIO;
  run.mmio.phys_addr = 0x1000'0000;
  run.mmio.len = 8;
  run.mmio.is_write = 1;
  std::memcpy(run.mmio.data, &value, sizeof(value));
  return run;
}

TEST_F(FlightRingTest, IsEmptyAtFirst) {
  EXPECT_TRUE(ring.exits().empty());
}

TEST_F(FlightRingTest, KeepsWhatAnExitWas) {
  kvm_run run{};
  run.exit_reason = KVM_EXIT_RISCV_SBI;
  run.riscv_sbi.extension_id = 0x4442'434e;
  run.riscv_sbi.args[5] = 6;
  run.riscv_sbi.ret[1] = 7;
  ring.record(run, 10);
  ring.record_mmio(store(0x55), 20);
  ring.record_error(EFAULT, 30);
  const auto exits = ring.exits();
  ASSERT_EQ(exits.size(), 3U);
  EXPECT_EQ(exits[0].kind, ExitKind::kSbi);
  EXPECT_EQ(exits[0].sbi.args[5], 6U);
  EXPECT_EQ(exits[0].sbi.value, 7U);
  EXPECT_EQ(exits[0].left, 10U);
  EXPECT_EQ(exits[1].kind, ExitKind::kMmio);
  EXPECT_EQ(exits[1].mmio.value, 0x55U);
  EXPECT_TRUE(exits[1].mmio.is_write);
  EXPECT_EQ(exits[2].kind, ExitKind::kOther);
  EXPECT_EQ(exits[2].other.errno_value, uint32_t{EFAULT});
}

TEST_F(FlightRingTest, KeepsTheLatestOldestFirst) {
  constexpr uint64_t kAll = 3 * FlightRing::kExits + 5;
  for (uint64_t i = 0; i < kAll; ++i)
    ring.record(store(i), i);
  const auto exits = ring.exits();
  // The place that the next one takes may be half written, as far as a reader knows.
  ASSERT_EQ(exits.size(), FlightRing::kExits - 1);
  for (size_t i = 0; i < exits.size(); ++i)
    EXPECT_EQ(exits[i].mmio.value, kAll - exits.size() + i);
}

// Time and value are the same in each: one that is half of another would show.
TEST_F(FlightRingTest, WhatIsReadWhileTheHartRunsIsWhole) {
  std::atomic<bool> stop = false;
  std::jthread hart{[&] {
    for (uint64_t i = 1; !stop; ++i)
      ring.record_mmio(store(i), i);
  }};
  for (int round = 0; round < 200; ++round) {
    uint64_t last = 0;
    for (const ExitRecord& exit : ring.exits()) {
      ASSERT_EQ(exit.mmio.value, exit.left);
      ASSERT_GT(exit.left, last);
      last = exit.left;
    }
  }
  stop = true;
}

}  // namespace
}  // namespace rvvmm::flight_ring_test

#include "vmm/harts/time_csr_guard.hpp"

#include <gtest/gtest.h>

#include <array>

#include "fakes/fake_vcpu.hpp"

namespace rvvmm::time_csr_guard_test {
namespace {

class TimeCsrGuardTest : public ::testing::Test {
 protected:
  TimeCsrGuardTest() { boot_vcpu.at(HartRegister::kScounteren) = kAllCountersReadable; }

  static void look(TimeCsrGuard& guard, FakeVcpu& vcpu, int times = 1) {
    for (int i = 0; i < times; ++i)
      guard.look(vcpu);
  }
  uint64_t& csr() { return vcpu.at(HartRegister::kScounteren); }

  std::atomic<bool> guest_sets_it = false;
  TimeCsrGuard boot_guard{HartId{0}, guest_sets_it};
  TimeCsrGuard guard{HartId{1}, guest_sets_it};
  FakeVcpu boot_vcpu;
  FakeVcpu vcpu;
};

TEST_F(TimeCsrGuardTest, IsNeededWhereASecondaryStartsWithZero) {
  EXPECT_TRUE(TimeCsrGuard::needed(vcpu));
  csr() = 7;
  EXPECT_FALSE(TimeCsrGuard::needed(vcpu));
}

TEST_F(TimeCsrGuardTest, LeavesAStoppedHartAlone) {
  vcpu.hart_state = HartState::kStopped;
  look(guard, vcpu);
  EXPECT_EQ(csr(), 0U);
}

TEST_F(TimeCsrGuardTest, MendsAHartThatRunsWithZero) {
  look(guard, vcpu);
  EXPECT_EQ(csr(), kAllCountersReadable);
}

TEST_F(TimeCsrGuardTest, MendsAgainAfterTheResetOfALateStart) {
  look(guard, vcpu);
  csr() = 0;
  look(guard, vcpu);
  EXPECT_EQ(csr(), kAllCountersReadable);
  EXPECT_EQ(guard.interval(), TimeCsrGuard::kSoon);
}

TEST_F(TimeCsrGuardTest, LooksLessAndLessOftenWhileNothingIsWrong) {
  look(guard, vcpu);
  auto last = guard.interval();
  EXPECT_EQ(last, TimeCsrGuard::kSoon);
  for (int i = 0; i < 8; ++i) {
    look(guard, vcpu);
    EXPECT_GE(guard.interval(), last);
    last = guard.interval();
  }
  EXPECT_EQ(last, TimeCsrGuard::kLater);
}

TEST_F(TimeCsrGuardTest, LooksSoonAtAHartThatWasSeenStopped) {
  look(guard, vcpu, 8);
  vcpu.hart_state = HartState::kStopped;
  look(guard, vcpu);
  EXPECT_EQ(guard.interval(), TimeCsrGuard::kSoon);
}

TEST_F(TimeCsrGuardTest, LooksSoonAgainAtAHartThatWasStoppedAndStartedUnseen) {
  look(guard, vcpu, 8);
  csr() = 0;
  look(guard, vcpu);
  EXPECT_EQ(csr(), kAllCountersReadable);
  EXPECT_EQ(guard.interval(), TimeCsrGuard::kSoon);
}

TEST_F(TimeCsrGuardTest, EndsOnAllHartsWhenTheGuestSetsTheCsrOfOne) {
  for (const uint64_t own : {0U, 2U}) {
    guest_sets_it = false;
    TimeCsrGuard boot{HartId{0}, guest_sets_it};
    TimeCsrGuard other{HartId{1}, guest_sets_it};
    boot_vcpu.at(HartRegister::kScounteren) = own;
    csr() = 0;
    look(boot, boot_vcpu);
    look(other, vcpu);
    EXPECT_EQ(boot.interval(), std::nullopt);
    EXPECT_EQ(other.interval(), std::nullopt);
    EXPECT_EQ(boot_vcpu.at(HartRegister::kScounteren), own);
    EXPECT_EQ(csr(), 0U);
  }
}

TEST_F(TimeCsrGuardTest, EndsWhenTheGuestSetsTheCsrOfASecondary) {
  csr() = 2;
  look(guard, vcpu);
  EXPECT_EQ(csr(), 2U);
  EXPECT_EQ(guard.interval(), std::nullopt);
  EXPECT_TRUE(guest_sets_it);
}

TEST_F(TimeCsrGuardTest, AsksAHartForNothingOnceItHasEnded) {
  csr() = 2;
  look(guard, vcpu);
  const uint32_t asked = vcpu.states_asked + vcpu.registers_read;
  look(guard, vcpu, 3);
  EXPECT_EQ(vcpu.states_asked + vcpu.registers_read, asked);
}

TEST_F(TimeCsrGuardTest, MendsABootHartThatWasStoppedAndStartedAgain) {
  look(boot_guard, boot_vcpu, 8);
  boot_vcpu.at(HartRegister::kScounteren) = 0;
  look(boot_guard, boot_vcpu);
  EXPECT_EQ(boot_vcpu.at(HartRegister::kScounteren), kAllCountersReadable);
  EXPECT_NE(boot_guard.interval(), std::nullopt);
}

TEST_F(TimeCsrGuardTest, LooksOnThoughTheHypervisorDoesNotSay) {
  vcpu.absent = HartRegister::kScounteren;
  look(guard, vcpu);
  EXPECT_EQ(guard.interval(), TimeCsrGuard::kSoon);
  EXPECT_FALSE(guest_sets_it);
}

}  // namespace
}  // namespace rvvmm::time_csr_guard_test

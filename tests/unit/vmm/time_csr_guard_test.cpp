#include "vmm/time_csr_guard.hpp"

#include <gtest/gtest.h>

#include <array>
#include <future>

#include "fakes/fake_machine.hpp"
#include "fakes/fake_vcpu.hpp"

namespace rvvmm::time_csr_guard_test {
namespace {

class TimeCsrGuardTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { VcpuThread::install_kick_handler(); }

  void SetUp() override {
    vcpus[0].at(HartRegister::kScounteren) = kAllCountersReadable;
    for (uint32_t i = 0; i < vcpus.size(); ++i) {
      threads.push_back(std::make_unique<VcpuThread>(VcpuThread::Parts{
          .hart = HartId{i}, .backend = vcpus[i], .io = io, .listener = listener, .host_cpu = std::nullopt}));
      threads.back()->start();
    }
    guard.emplace(std::vector{threads[0].get(), threads[1].get()});
  }

  // On the hart's own thread, after what the guard posted there.
  void on_hart(size_t hart, const std::function<void(FakeVcpu&)>& work) {
    std::promise<void> done;
    threads[hart]->post([&](VcpuBackend&) {
      work(vcpus[hart]);
      done.set_value();
    });
    done.get_future().get();
  }
  std::optional<std::chrono::milliseconds> look() {
    const auto next = guard->look();
    on_hart(0, [](FakeVcpu&) {});
    on_hart(1, [](FakeVcpu&) {});
    return next;
  }
  uint64_t scounteren_of(size_t hart) {
    uint64_t value = 0;
    on_hart(hart, [&](FakeVcpu& vcpu) { value = vcpu.at(HartRegister::kScounteren); });
    return value;
  }

  IdleIo io;
  RecordingListener listener;
  std::array<FakeVcpu, 2> vcpus;
  std::vector<std::unique_ptr<VcpuThread>> threads;
  std::optional<TimeCsrGuard> guard;
};

TEST_F(TimeCsrGuardTest, IsNeededWhereASecondaryStartsWithZero) {
  FakeVcpu secondary;
  EXPECT_TRUE(TimeCsrGuard::needed(secondary));
  secondary.at(HartRegister::kScounteren) = 7;
  EXPECT_FALSE(TimeCsrGuard::needed(secondary));
}

TEST_F(TimeCsrGuardTest, LeavesAStoppedHartAlone) {
  on_hart(1, [](FakeVcpu& vcpu) { vcpu.hart_state = HartState::kStopped; });
  look();
  EXPECT_EQ(scounteren_of(1), 0U);
}

TEST_F(TimeCsrGuardTest, MendsAHartThatRunsWithZero) {
  look();
  EXPECT_EQ(scounteren_of(1), kAllCountersReadable);
}

TEST_F(TimeCsrGuardTest, MendsAgainAfterTheResetOfALateStart) {
  look();
  on_hart(1, [](FakeVcpu& vcpu) { vcpu.at(HartRegister::kScounteren) = 0; });
  EXPECT_EQ(look(), TimeCsrGuard::kSoon);
  EXPECT_EQ(scounteren_of(1), kAllCountersReadable);
}

TEST_F(TimeCsrGuardTest, LooksLessAndLessOftenWhileNothingStarts) {
  on_hart(1, [](FakeVcpu& vcpu) { vcpu.hart_state = HartState::kStopped; });
  auto last = look();
  for (int i = 0; i < 8; ++i) {
    const auto next = look();
    EXPECT_GE(next, last);
    last = next;
  }
  EXPECT_EQ(last, TimeCsrGuard::kLater);
}

TEST_F(TimeCsrGuardTest, LooksOftenAgainOnceAHartStarts) {
  on_hart(1, [](FakeVcpu& vcpu) { vcpu.hart_state = HartState::kStopped; });
  for (int i = 0; i < 8; ++i)
    look();
  on_hart(1, [](FakeVcpu& vcpu) { vcpu.hart_state = HartState::kRunnable; });
  look();
  EXPECT_EQ(look(), TimeCsrGuard::kSoon);
}

TEST_F(TimeCsrGuardTest, EndsWhenTheGuestSetsTheCsrItself) {
  on_hart(0, [](FakeVcpu& vcpu) { vcpu.at(HartRegister::kScounteren) = 2; });
  look();
  EXPECT_EQ(look(), std::nullopt);
}

TEST_F(TimeCsrGuardTest, MendsABootHartThatWasStoppedAndStartedAgain) {
  for (int i = 0; i < 8; ++i)
    look();
  on_hart(0, [](FakeVcpu& vcpu) { vcpu.at(HartRegister::kScounteren) = 0; });
  EXPECT_NE(look(), std::nullopt);
  EXPECT_EQ(scounteren_of(0), kAllCountersReadable);
  EXPECT_NE(look(), std::nullopt);
}

TEST_F(TimeCsrGuardTest, AsksAHartThatDoesNotAnswerOnlyOnce) {
  std::promise<void> console_drained;
  on_hart(1, [](FakeVcpu& vcpu) { vcpu.states_asked = 0; });
  threads[1]->post([&](VcpuBackend&) { console_drained.get_future().get(); });
  for (int i = 0; i < 20; ++i) {
    guard->look();
    on_hart(0, [](FakeVcpu&) {});
  }
  console_drained.set_value();
  on_hart(1, [](FakeVcpu& vcpu) { EXPECT_EQ(vcpu.states_asked, 1U); });
}

TEST_F(TimeCsrGuardTest, KeepsWhatAGuestChoseForASecondary) {
  on_hart(1, [](FakeVcpu& vcpu) { vcpu.at(HartRegister::kScounteren) = 2; });
  look();
  EXPECT_EQ(scounteren_of(1), 2U);
}

}  // namespace
}  // namespace rvvmm::time_csr_guard_test

#include "base/kick_timer.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace rvvmm::kick_timer_test {
namespace {

using std::chrono::milliseconds;

std::atomic<int> kicks;

class KickTimerTest : public ::testing::Test {
 protected:
  KickTimerTest() {
    kicks = 0;
    struct sigaction action{};
    action.sa_handler = [](int) { ++kicks; };
    ::sigaction(kKickSignal, &action, &before_);
  }
  ~KickTimerTest() override { ::sigaction(kKickSignal, &before_, nullptr); }

  /// How much CPU time this thread has used.
  static milliseconds used() {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return milliseconds{now.tv_sec * 1000 + now.tv_nsec / 1'000'000};
  }
  static void compute_until(int count) {
    while (kicks < count) {
    }
  }

 private:
  struct sigaction before_{};
};

TEST_F(KickTimerTest, CountsTheCpuTimeOfItsThread) {
  KickTimer timer{CLOCK_THREAD_CPUTIME_ID};
  ASSERT_TRUE(timer);
  timer.arm_every(milliseconds{4});
  const milliseconds begin = used();
  compute_until(3);
  EXPECT_GE(used() - begin, milliseconds{11});
}

TEST_F(KickTimerTest, LeavesAThreadThatSleepsAlone) {
  KickTimer timer{CLOCK_THREAD_CPUTIME_ID};
  timer.arm_every(milliseconds{10});
  const milliseconds begin = used();
  std::this_thread::sleep_for(milliseconds{200});
  EXPECT_LE(kicks, (used() - begin) / milliseconds{10});
}

TEST_F(KickTimerTest, AnotherThreadsWorkDoesNotCount) {
  KickTimer timer{CLOCK_THREAD_CPUTIME_ID};
  timer.arm_every(milliseconds{10});
  const milliseconds begin = used();
  std::thread{[] {
    while (used() < milliseconds{50}) {
    }
  }}.join();
  EXPECT_LE(kicks, (used() - begin) / milliseconds{10});
}

TEST_F(KickTimerTest, DisarmedItKicksNoMore) {
  KickTimer timer{CLOCK_MONOTONIC};
  timer.arm_every(milliseconds{1});
  compute_until(1);
  timer.arm_every(milliseconds{0});
  const int before = kicks;
  std::this_thread::sleep_for(milliseconds{20});
  EXPECT_EQ(kicks, before);
}

TEST_F(KickTimerTest, ItsEndEndsTheKicks) {
  {
    KickTimer timer{CLOCK_MONOTONIC};
    timer.arm_every(milliseconds{1});
    compute_until(1);
  }
  const int before = kicks;
  std::this_thread::sleep_for(milliseconds{20});
  EXPECT_EQ(kicks, before);
}

}  // namespace
}  // namespace rvvmm::kick_timer_test

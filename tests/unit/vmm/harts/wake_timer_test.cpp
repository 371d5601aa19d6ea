#include "vmm/harts/wake_timer.hpp"

#include <gtest/gtest.h>

namespace rvvmm::wake_timer_test {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr uint64_t kHz = 10'000'000;
constexpr seconds kTenYears{10LL * 365 * 24 * 3600};

TEST(WakeTimer, RoundsTheTimeUp) {
  EXPECT_EQ(WakeTimer::duration(0, kHz), nanoseconds{0});
  EXPECT_EQ(WakeTimer::duration(1, kHz), nanoseconds{100});
  EXPECT_EQ(WakeTimer::duration(3, 2'000'000'000), nanoseconds{2});
  EXPECT_EQ(WakeTimer::duration(5 * kHz + 1, kHz), seconds{5} + nanoseconds{100});
  EXPECT_EQ(WakeTimer::duration(UINT32_MAX, UINT32_MAX), seconds{1});
}

TEST(WakeTimer, SleepsForTenYearsAtMost) {
  EXPECT_EQ(WakeTimer::duration(UINT64_MAX, kHz), kTenYears);
  EXPECT_EQ(WakeTimer::duration(UINT64_MAX - 1, 1), kTenYears);
  const uint64_t ten_years = static_cast<uint64_t>(kTenYears.count()) * kHz;
  EXPECT_EQ(WakeTimer::duration(ten_years, kHz), kTenYears);
  EXPECT_EQ(WakeTimer::duration(ten_years - 1, kHz), kTenYears - nanoseconds{100});
  EXPECT_EQ(WakeTimer::duration(ten_years - kHz, kHz), kTenYears - seconds{1});
}

class WakeTimerRuns : public ::testing::Test {
 protected:
  EventLoop loop;
  uint64_t ticks = 1000;
  uint64_t ticks_a_look = 0;
  int looks = 0;
  int expiries = 0;
  WakeTimer timer{{.loop = loop,
                   .ticks =
                       [this] {
                         ++looks;
                         ticks += ticks_a_look;
                         return ticks;
                       },
                   .timebase_hz = kHz,
                   .on_expiry =
                       [this] {
                         ++expiries;
                         loop.stop({});
                       }}};
  // Ends the loop where the timer under test does not.
  Timer limit{loop, CLOCK_MONOTONIC, [this] { loop.stop({}); }};
};

TEST_F(WakeTimerRuns, ATimeThatHasComeExpiresAtOnce) {
  timer.arm(0);
  loop.run();
  EXPECT_EQ(expiries, 1);
}

TEST_F(WakeTimerRuns, IsNeverEarlyByTheClockOfTheGuest) {
  ticks_a_look = 100;
  timer.arm(1000);  // 100 us, while that clock goes on by 10 us
  loop.run();
  EXPECT_EQ(expiries, 1);
  EXPECT_GE(ticks, 1000U + ticks_a_look + 1000U);
  EXPECT_GE(looks, 11);
}

TEST_F(WakeTimerRuns, DisarmedItIsSilent) {
  timer.arm(0);
  timer.disarm();
  limit.arm_every(std::chrono::milliseconds{20});
  loop.run();
  EXPECT_EQ(expiries, 0);
}

TEST_F(WakeTimerRuns, ATimeBeyondAllTimesIsNone) {
  timer.arm(UINT64_MAX);
  limit.arm_every(std::chrono::milliseconds{20});
  loop.run();
  EXPECT_EQ(expiries, 0);
}

}  // namespace
}  // namespace rvvmm::wake_timer_test

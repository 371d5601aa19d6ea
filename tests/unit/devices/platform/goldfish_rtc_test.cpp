#include "devices/platform/goldfish_rtc.hpp"

#include <gtest/gtest.h>
#include <libfdt.h>

#include <optional>
#include <vector>

#include "fakes/fake_irq.hpp"
#include "unit/devices/register_access.hpp"

namespace rvvmm::goldfish_rtc_test {
namespace {

using std::chrono::nanoseconds;

enum Offset : uint64_t {
  kTimeLow = 0x00,
  kTimeHigh = 0x04,
  kAlarmLow = 0x08,
  kAlarmHigh = 0x0C,
  kIrqEnabled = 0x10,
  kClearAlarm = 0x14,
  kAlarmStatus = 0x18,
  kClearInterrupt = 0x1C
};

class RecordingTimer final : public AlarmTimer {
 public:
  void arm(std::optional<nanoseconds> wall_deadline) noexcept override { deadline = wall_deadline; }
  std::optional<nanoseconds> deadline;
};

constexpr uint64_t kNow = 0x17A0'1234'8000'0000;

class GoldfishRtcTest : public testing::Test {
 protected:
  uint32_t get(uint64_t offset) { return load_register<uint32_t>(rtc_, offset); }
  void put(uint64_t offset, uint32_t value) { store_register(rtc_, offset, value); }
  uint64_t guest_time() {
    const uint64_t low = get(kTimeLow);
    return low | uint64_t{get(kTimeHigh)} << 32;
  }
  void set_guest_time(uint64_t time) {
    put(kTimeHigh, static_cast<uint32_t>(time >> 32));
    put(kTimeLow, static_cast<uint32_t>(time));
  }
  void set_alarm(uint64_t time) {
    put(kAlarmHigh, static_cast<uint32_t>(time >> 32));
    put(kAlarmLow, static_cast<uint32_t>(time));
  }
  static nanoseconds at(uint64_t time) { return nanoseconds{static_cast<int64_t>(time)}; }

  uint64_t host_ = kNow;
  RecordingTimer timer_;
  FakeIrqLine irq_;
  GoldfishRtc rtc_{irq_, timer_, [this] { return at(host_); }};
};

TEST_F(GoldfishRtcTest, ShowsTheHostsTime) {
  EXPECT_EQ(guest_time(), kNow);
}

TEST_F(GoldfishRtcTest, ReadingTheLowHalfLatchesTheHighOne) {
  host_ = 0x17A0'1234'FFFF'FFFF;
  EXPECT_EQ(get(kTimeLow), 0xFFFF'FFFFU);
  host_ += 1;
  EXPECT_EQ(get(kTimeHigh), 0x17A0'1234U);
  EXPECT_EQ(get(kTimeLow), 0U);
  EXPECT_EQ(get(kTimeHigh), 0x17A0'1235U);
}

TEST_F(GoldfishRtcTest, TheTimeThatTheGuestSetGoesOn) {
  set_guest_time(1'000'000'000);
  EXPECT_EQ(guest_time(), 1'000'000'000U);
  host_ += 5;
  EXPECT_EQ(guest_time(), 1'000'000'005U);
}

TEST_F(GoldfishRtcTest, AHighHalfAloneDoesNotSetTheTime) {
  put(kTimeHigh, 1);
  EXPECT_EQ(guest_time(), kNow);
}

TEST_F(GoldfishRtcTest, AnAlarmArmsTheTimerAndInterruptsWhenItIsDue) {
  put(kIrqEnabled, 1);
  set_alarm(kNow + 100);
  EXPECT_EQ(timer_.deadline, at(kNow + 100));
  EXPECT_EQ(get(kAlarmStatus), 1U);
  EXPECT_FALSE(irq_.level);
  host_ += 100;
  rtc_.on_alarm();
  EXPECT_TRUE(irq_.level);
  EXPECT_EQ(get(kAlarmStatus), 0U);
  EXPECT_EQ(timer_.deadline, std::nullopt);
}

TEST_F(GoldfishRtcTest, ClearingTheInterruptLowersTheLine) {
  put(kIrqEnabled, 1);
  set_alarm(kNow);
  EXPECT_TRUE(irq_.level);
  put(kClearInterrupt, 1);
  EXPECT_FALSE(irq_.level);
}

TEST_F(GoldfishRtcTest, AnAlarmInThePastInterruptsAtOnce) {
  put(kIrqEnabled, 1);
  set_alarm(kNow - 1);
  EXPECT_TRUE(irq_.level);
  EXPECT_EQ(timer_.deadline, std::nullopt);
}

TEST_F(GoldfishRtcTest, AnAlarmThatPassedUnheardInterruptsOnceEnabled) {
  set_alarm(kNow);
  EXPECT_FALSE(irq_.level);
  put(kIrqEnabled, 1);
  EXPECT_TRUE(irq_.level);
  put(kIrqEnabled, 0);
  EXPECT_FALSE(irq_.level);
}

TEST_F(GoldfishRtcTest, AWakeUpTooEarlyArmsTheTimerAgain) {
  put(kIrqEnabled, 1);
  set_alarm(kNow + 100);
  timer_.deadline.reset();
  host_ += 99;
  rtc_.on_alarm();
  EXPECT_FALSE(irq_.level);
  EXPECT_EQ(timer_.deadline, at(kNow + 100));
}

TEST_F(GoldfishRtcTest, AClearedAlarmNeverInterrupts) {
  put(kIrqEnabled, 1);
  set_alarm(kNow + 100);
  put(kClearAlarm, 1);
  EXPECT_EQ(timer_.deadline, std::nullopt);
  EXPECT_EQ(get(kAlarmStatus), 0U);
  host_ += 200;
  rtc_.on_alarm();
  EXPECT_FALSE(irq_.level);
}

TEST_F(GoldfishRtcTest, AnAlarmIsInTheGuestsTime) {
  set_guest_time(1000);
  set_alarm(1500);
  EXPECT_EQ(timer_.deadline, at(kNow + 500));
}

TEST_F(GoldfishRtcTest, SettingTheTimeMovesAnAlarm) {
  put(kIrqEnabled, 1);
  set_alarm(kNow + 100);
  set_guest_time(kNow + 60);
  EXPECT_EQ(timer_.deadline, at(kNow + 40));
  set_guest_time(kNow + 100);
  EXPECT_TRUE(irq_.level);
}

TEST_F(GoldfishRtcTest, TheLastAlarmOfAllDoesNotWrap) {
  set_guest_time(0);
  set_alarm(UINT64_MAX);
  EXPECT_EQ(timer_.deadline, nanoseconds::max());
  EXPECT_EQ(get(kAlarmStatus), 1U);
}

TEST_F(GoldfishRtcTest, TheAlarmReadsBack) {
  set_alarm(0x1234'5678'9ABC'DEF0);
  EXPECT_EQ(get(kAlarmLow), 0x9ABC'DEF0U);
  EXPECT_EQ(get(kAlarmHigh), 0x1234'5678U);
}

TEST_F(GoldfishRtcTest, RegistersOfOneDirectionReadZeroAndIgnoreWrites) {
  EXPECT_EQ(get(kClearAlarm), 0U);
  EXPECT_EQ(get(kClearInterrupt), 0U);
  put(kAlarmStatus, 1);
  EXPECT_EQ(get(kAlarmStatus), 0U);
}

TEST_F(GoldfishRtcTest, OnlyWordsAtItsRegistersAreTaken) {
  EXPECT_EQ(load_status<uint64_t>(rtc_, kTimeLow), IoStatus::kBadWidth);
  EXPECT_EQ(load_status<uint8_t>(rtc_, kTimeLow), IoStatus::kBadWidth);
  EXPECT_EQ(store_status<uint64_t>(rtc_, kTimeLow, 0), IoStatus::kBadWidth);
  EXPECT_EQ(load_status<uint32_t>(rtc_, 0x20), IoStatus::kNoRegister);
  EXPECT_EQ(load_status<uint32_t>(rtc_, 2), IoStatus::kNoRegister);
  EXPECT_EQ(store_status<uint32_t>(rtc_, 0x20, 0), IoStatus::kNoRegister);
}

TEST(GoldfishRtc, TheHostsTimeIsOfThisCentury) {
  EXPECT_GT(GoldfishRtc::host_time(), std::chrono::hours{24 * 365 * 50});
  EXPECT_LT(GoldfishRtc::host_time(), std::chrono::hours{24 * 365 * 130});
}

TEST_F(GoldfishRtcTest, DescribesItself) {
  FdtBuilder fdt;
  rtc_.describe(fdt, {.window = {.base = Gpa{0x10'1000}, .size = 0x1000}, .interrupts = {11}});
  const std::vector<std::byte> blob = fdt.finish();
  const int node = fdt_path_offset(blob.data(), "/rtc@101000");
  ASSERT_GE(node, 0);
  EXPECT_EQ(fdt_node_check_compatible(blob.data(), node, "google,goldfish-rtc"), 0);
  EXPECT_NE(fdt_getprop(blob.data(), node, "interrupts", nullptr), nullptr);
}

TEST_F(GoldfishRtcTest, StateSurvivesARoundTrip) {
  set_guest_time(0x1234'5678'9ABC'DEF0);
  put(kTimeHigh, 77);  // half of the next time to be set
  set_alarm(0x1234'5678'9ABC'DEF0 + 1000);
  put(kIrqEnabled, 1);
  guest_time();
  const GoldfishRtcState saved = rtc_.state();
  FakeIrqLine irq;
  RecordingTimer timer;
  GoldfishRtc other{irq, timer, [this] { return at(host_); }};
  other.restore(saved);
  EXPECT_EQ(other.state(), saved);
  EXPECT_EQ(timer.deadline, at(kNow + 1000));
  EXPECT_FALSE(irq.level);
  for (const uint64_t offset : {kTimeHigh, kTimeLow, kTimeHigh, kAlarmLow, kAlarmHigh, kIrqEnabled, kAlarmStatus})
    EXPECT_EQ(load_register<uint32_t>(other, offset), get(offset)) << offset;
  store_register<uint32_t>(other, kTimeLow, 5);
  put(kTimeLow, 5);
  EXPECT_EQ(other.state(), rtc_.state());
}

TEST_F(GoldfishRtcTest, ARestoredAlarmWhoseTimeHasPassedRingsAtOnce) {
  set_alarm(kNow + 1000);
  put(kIrqEnabled, 1);
  const GoldfishRtcState saved = rtc_.state();
  host_ += 2000;
  FakeIrqLine irq;
  RecordingTimer timer;
  GoldfishRtc other{irq, timer, [this] { return at(host_); }};
  other.restore(saved);
  EXPECT_TRUE(irq.level);
  EXPECT_EQ(load_register<uint32_t>(other, kAlarmStatus), 0U);
}

TEST_F(GoldfishRtcTest, RestoringTakesAnAlarmAndAnInterruptBack) {
  const GoldfishRtcState quiet = rtc_.state();
  put(kIrqEnabled, 1);
  set_alarm(kNow - 1);
  ASSERT_TRUE(irq_.level);
  set_alarm(kNow + 1000);
  ASSERT_TRUE(timer_.deadline);
  rtc_.restore(quiet);
  EXPECT_FALSE(irq_.level);
  EXPECT_FALSE(timer_.deadline);
}

}  // namespace
}  // namespace rvvmm::goldfish_rtc_test

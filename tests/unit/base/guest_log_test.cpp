#include "base/guest_log.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "base/fd.hpp"

namespace rvvmm::guest_log_test {
namespace {

using ::testing::EndsWith;

constexpr HartId kHart{2};

TEST(GuestLog, LineIsTheGuestsMadePrintable) {
  GuestLog guest;
  ::testing::internal::CaptureStderr();
  EXPECT_TRUE(guest.line(kHart, log::Level::kWarn, "a\nb\x1b[0m"));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), EndsWith("warning guest: hart 2: a?b?[0m\n"));
}

TEST(GuestLog, LineBelowTheLevelIsNotShownAndNotDropped) {
  GuestLog guest;
  ::testing::internal::CaptureStderr();
  for (uint32_t i = 0; i < 2 * GuestLog::kLinesPerSecond; ++i)
    EXPECT_TRUE(guest.line(kHart, log::Level::kInfo, "quiet"));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(GuestLog, FloodIsCutToTheLinesOfASecond) {
  GuestLog guest;
  const auto start = std::chrono::steady_clock::now();
  ::testing::internal::CaptureStderr();
  int64_t dropped = 0;
  for (int i = 0; i < 5'000; ++i)
    dropped += guest.line(kHart, log::Level::kError, "x") ? 0 : 1;
  const std::string said = ::testing::internal::GetCapturedStderr();
  const auto lines = std::ranges::count(said, '\n');
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - start);
  EXPECT_EQ(lines + dropped, 5'000);
  EXPECT_GE(lines, int64_t{GuestLog::kLinesPerSecond});
  EXPECT_LE(lines, GuestLog::kLinesPerSecond * (seconds.count() + 2));
}

TEST(GuestLog, NobodyWaitsForAReaderThatSleeps) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const Fd reader{ends[0]};
  const Fd writer{ends[1]};
  const Fd before{::dup(STDERR_FILENO)};
  ::dup2(writer.get(), STDERR_FILENO);
  GuestLog guest;
  const std::string long_line(1'000, 'x');
  uint32_t shown = 0;
  // A pipe holds 64 KiB: the limit of a second is not what stops it.
  while (guest.line(kHart, log::Level::kError, long_line))
    ++shown;
  ::dup2(before.get(), STDERR_FILENO);
  log::say_lost();  // before another test looks at stderr
  EXPECT_GE(shown, 1U);
  EXPECT_LT(shown, GuestLog::kLinesPerSecond);
}

TEST(GuestLog, EndsAtItsLimitAndSaysSoOnce) {
  constexpr uint64_t kText = 36;
  GuestLog guest{3 * (kText + GuestLog::kBytesPerLine)};
  const std::string text(kText, 'x');
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i)
    EXPECT_TRUE(guest.line(kHart, log::Level::kWarn, text));
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(guest.line(kHart, log::Level::kWarn, text));
  EXPECT_TRUE(guest.line(kHart, log::Level::kInfo, text)) << "below the level it goes nowhere, which is no drop";
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::ranges::count(said, '\n'), 4) << said;
  EXPECT_THAT(said, EndsWith("warning guest: the guest has logged 300 bytes, and no more of its lines are shown "
                             "(--guest-log-limit)\n"));
}

}  // namespace
}  // namespace rvvmm::guest_log_test

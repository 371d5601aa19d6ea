#include "vmm/panic_watch.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace rvvmm::panic_watch_test {
namespace {

using std::chrono::steady_clock;

class PanicWatchTest : public ::testing::Test {
 protected:
  PanicWatchTest() { begin(); }

  void begin() {
    watch_.begin([this] {
      ++panics_;
      loop_.stop({.kind = StopReason::Kind::kExit, .status = 81});
    });
  }
  void write(std::string_view text) { watch_.take(std::as_bytes(std::span{text})); }
  void write_by_byte(std::string_view text) {
    for (size_t i = 0; i < text.size(); ++i)
      write(text.substr(i, 1));
  }
  /// Of what somebody else ends if nothing else does.
  int status_of_loop(std::chrono::milliseconds limit) {
    Timer timer{loop_, CLOCK_MONOTONIC, [this] { loop_.stop({.kind = StopReason::Kind::kExit, .status = 1}); }};
    timer.arm_every(limit);
    return loop_.run().status;
  }

  EventLoop loop_;
  int panics_ = 0;
  PanicWatch watch_{loop_, {"Oops*[#1]", "Kernel panic"}};
};

constexpr std::chrono::seconds kLong{60};

TEST_F(PanicWatchTest, APatternIsAnyPartOfALine) {
  write("one\n[ 1.0] Kernel panic - not syncing\r\n");
  EXPECT_TRUE(watch_.seen());
  EXPECT_EQ(status_of_loop(kLong), 81);
  EXPECT_EQ(panics_, 1);
}

TEST_F(PanicWatchTest, ComesByteByByteToo) {
  write_by_byte("Oops: something [#1");
  EXPECT_FALSE(watch_.seen());
  write_by_byte("]");
  EXPECT_FALSE(watch_.seen()) << "the line goes on";
  write_by_byte("\n");
  EXPECT_TRUE(watch_.seen());
}

TEST_F(PanicWatchTest, NoLineEndsWithinAPattern) {
  write("Kernel\n panic\nOops\n[#1]\n");
  EXPECT_FALSE(watch_.seen());
}

TEST_F(PanicWatchTest, LinesWithoutAnEndAreLookedAtInPieces) {
  write(std::string(PanicWatch::kLongestLine - 12, 'x') + "Kernel panic");
  EXPECT_FALSE(watch_.seen());
  write("x");
  EXPECT_TRUE(watch_.seen());
}

TEST_F(PanicWatchTest, WaitsUntilTheGuestIsSilent) {
  write("Kernel panic\n");
  int talked = 0;
  Timer talk{loop_, CLOCK_MONOTONIC, [&] {
               if (++talked <= 8) write("Call Trace\n");
             }};
  talk.arm_every(PanicWatch::kQuiet / 4);
  EXPECT_EQ(status_of_loop(kLong), 81);
  EXPECT_GE(talked, 8);
}

TEST_F(PanicWatchTest, IsNotPatientForEver) {
  write("Kernel panic\n");
  Timer talk{loop_, CLOCK_MONOTONIC, [&] { write("Call Trace\n"); }};
  talk.arm_every(PanicWatch::kQuiet / 8);
  EXPECT_EQ(status_of_loop(kLong), 81);
}

TEST_F(PanicWatchTest, ANewMachineBeginsAnew) {
  write("Kernel panic\nKernel pan");
  watch_.end();
  begin();
  EXPECT_FALSE(watch_.seen());
  write("ic\n");
  EXPECT_FALSE(watch_.seen());
  EXPECT_EQ(status_of_loop(2 * PanicWatch::kQuiet), 1) << "the earlier one's panic is nobody's any more";
  EXPECT_EQ(panics_, 0);
}

}  // namespace
}  // namespace rvvmm::panic_watch_test

#include "vmm/watch/panic_watch.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace rvvmm::panic_watch_test {
namespace {

class PanicWatchTest : public ::testing::Test {
 protected:
  PanicWatchTest() { begin({}); }

  /// `guest` with an end of the loop when it panics.
  void begin(PanicWatch::Guest guest) {
    guest.on_panic = [this] {
      ++panics_;
      loop_.stop({.kind = StopReason::Kind::kExit, .status = 81});
    };
    watch_.begin(std::move(guest));
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

// What it asks when it looks whether there is silence stands for what happens meanwhile.
TEST_F(PanicWatchTest, WaitsUntilTheGuestIsSilent) {
  int looks = 0;
  begin({.on_panic = {}, .is_stopped = [&] {
           if (++looks <= 4) write("Call Trace\n");
           return false;
         }});
  write("Kernel panic\n");
  EXPECT_EQ(status_of_loop(kLong), 81);
  EXPECT_EQ(looks, 5);
}

TEST_F(PanicWatchTest, IsNotPatientForEver) {
  int looks = 0;
  begin({.on_panic = {}, .is_stopped = [&] {
           ++looks;
           write("Call Trace\n");
           return false;
         }});
  write("Kernel panic\n");
  EXPECT_EQ(status_of_loop(kLong), 81);
  EXPECT_EQ(looks, PanicWatch::kPatience / PanicWatch::kQuiet);
}

TEST_F(PanicWatchTest, AGuestThatWaitsForItsReaderIsNotSilent) {
  int looks = 0;
  begin({.on_panic = {}, .is_stopped = [] { return false; }, .waits_for_reader = [&] { return ++looks <= 3; }});
  write("Kernel panic\n");
  EXPECT_EQ(status_of_loop(kLong), 81);
  EXPECT_EQ(looks, 4);
}

TEST_F(PanicWatchTest, NoTimePassesWhileTheGuestIsStopped) {
  int looks = 0;
  const int many = 2 * PanicWatch::kPatience / PanicWatch::kQuiet;
  begin({.on_panic = {}, .is_stopped = [&] { return ++looks <= many; }});
  write("Kernel panic\n");
  EXPECT_EQ(status_of_loop(kLong), 81);
  EXPECT_EQ(looks, many + 1);
}

TEST_F(PanicWatchTest, ANewMachineBeginsAnew) {
  write("Kernel panic\nKernel pan");
  watch_.end();
  begin({});
  EXPECT_FALSE(watch_.seen());
  write("ic\n");
  EXPECT_FALSE(watch_.seen());
  EXPECT_EQ(status_of_loop(2 * PanicWatch::kQuiet), 1) << "the earlier one's panic is nobody's any more";
  EXPECT_EQ(panics_, 0);
}

}  // namespace
}  // namespace rvvmm::panic_watch_test

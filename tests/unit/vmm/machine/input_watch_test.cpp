#include "vmm/machine/input_watch.hpp"

#include <gtest/gtest.h>

#include "fakes/fake_console.hpp"
#include "fakes/fake_irq.hpp"

namespace rvvmm::input_watch_test {
namespace {

using std::chrono::milliseconds;

constexpr uint64_t kIer = 1;
constexpr uint64_t kRbr = 0;

class InputWatchTest : public ::testing::Test {
 protected:
  InputWatchTest() {
    in_.set_listener(&uart_);
    const std::byte receiver_interrupt{1};
    uart_.write(kIer, {&receiver_interrupt, 1});
  }

  void type(std::string_view text) {
    in_.type(text);
    watch_.on_console_input();
  }
  char take() {
    std::byte byte{};
    uart_.read(kRbr, {&byte, 1});
    return static_cast<char>(byte);
  }
  /// The loop runs for this long, which is many of the watch's intervals.
  void run_for(milliseconds span) {
    Timer end{loop_, CLOCK_MONOTONIC, [this] { loop_.stop({.kind = StopReason::Kind::kReset}); }};
    end.arm_every(span);
    loop_.run();
  }

  /// The test's time limit is the only one.
  void run_until_repeated(int times) {
    Timer look{loop_, CLOCK_MONOTONIC, [this, times] {
                 if (irq_.repeats >= times) loop_.stop({.kind = StopReason::Kind::kReset});
               }};
    look.arm_every(milliseconds{1});
    loop_.run();
  }

  StoppableSink out_;
  TypedSource in_;
  FakeIrqLine irq_;
  Uart16550 uart_{out_, in_, irq_};
  EventLoop loop_;
  InputWatch watch_{loop_, uart_, milliseconds{1}};
};

TEST_F(InputWatchTest, WhileItIsHeldItDoesNotLook) {
  type("x");
  watch_.set_held(true);
  const int repeats = irq_.repeats;
  run_for(milliseconds{20});
  EXPECT_EQ(irq_.repeats, repeats);
  watch_.set_held(false);
  run_until_repeated(repeats + 1);
}

TEST_F(InputWatchTest, InterruptOfUntakenInputIsAssertedAgainButNotForEver) {
  type("x");
  run_until_repeated(InputWatch::kMostRepeats);
  run_for(milliseconds{50});
  EXPECT_EQ(irq_.repeats, InputWatch::kMostRepeats);
}

TEST_F(InputWatchTest, TakenInputNeedsNoSecondInterrupt) {
  type("x");
  EXPECT_EQ(take(), 'x');
  run_for(milliseconds{50});
  EXPECT_EQ(irq_.repeats, 0);
}

TEST_F(InputWatchTest, LaterInputIsWatchedAgain) {
  type("x");
  run_until_repeated(InputWatch::kMostRepeats);
  type("y");
  run_until_repeated(InputWatch::kMostRepeats + 1);
  EXPECT_EQ(take(), 'x');
  EXPECT_EQ(take(), 'y');
}

TEST_F(InputWatchTest, WithoutInputNothingHappens) {
  run_for(milliseconds{50});
  EXPECT_EQ(irq_.repeats, 0);
}

}  // namespace
}  // namespace rvvmm::input_watch_test

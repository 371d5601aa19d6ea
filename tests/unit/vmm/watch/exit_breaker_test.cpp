#include "vmm/watch/exit_breaker.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "fakes/fake_vcpu.hpp"
#include "fakes/one_device.hpp"

namespace rvvmm::exit_breaker_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ExitRecord store(uint64_t value) {
  ExitRecord exit;
  exit.kind = ExitKind::kMmio;
  exit.mmio = {.at = 0x1000'0000, .value = value, .width = 1, .is_write = true};
  return exit;
}

ExitRecord of_kind(ExitKind kind) {
  ExitRecord exit;
  exit.kind = kind;
  exit.system = {.type = 1, .reason = 1};
  return exit;
}

/// Two harts, whose exits a test makes. loop() does what the machine's threads would do then.
class ExitBreakerTest : public ::testing::Test {
 protected:
  ExitBreakerTest() {
    config_.breaks = "mmio:uart if value==10,system";
    for (auto& vcpu : vcpus_)
      vcpu = std::make_unique<FakeVcpu>();
    fake(0).at(kA0) = 0xAAA;
    fake(1).at(kA0) = 0xBBB;
  }

  void begin(std::optional<OnBreak> on_break) {
    config_.on_break = on_break;
    breaker_.emplace(config_);
    breaker_->set_prompt([this] { ++prompts_; });
    restart();
  }
  void restart() {
    breaker_->begin({.vcpus = vcpus_,
                     .devices = devices_,
                     .control = {.pause = [this] { paused_ = asked_ = true; },
                                 .resume = [this] { paused_ = false; },
                                 .rests = [this](HartId hart) { return hart != HartId{1} || !busy_; },
                                 .rest_in_exit = [this](HartId hart) { rested_in_exit_.push_back(hart); },
                                 .post = [this](HartId hart, const VcpuTask& task) { tasks_.emplace_back(hart, task); },
                                 .stop = [this](int status) { status_ = status; }}},
                    0, 10'000'000);
  }

  FakeVcpu& fake(uint32_t hart) { return static_cast<FakeVcpu&>(*vcpus_[hart]); }
  void exit_on(uint32_t hart, const ExitRecord& exit) { breaker_->on_exit(HartId{hart}, *vcpus_[hart], exit); }
  void loop() {
    while (asked_ || !tasks_.empty()) {
      if (std::exchange(asked_, false)) breaker_->on_paused();
      for (const auto& [hart, task] : std::exchange(tasks_, {}))
        task(*vcpus_[hart.value]);
    }
  }
  std::string said_at(uint32_t hart, const ExitRecord& exit) {
    ::testing::internal::CaptureStderr();
    exit_on(hart, exit);
    loop();
    return ::testing::internal::GetCapturedStderr();
  }
  bool is_stopped(uint32_t hart) {
    const auto stop = breaker_->stopped();
    return stop && stop->hart == HartId{hart};
  }

  Config config_;
  OneDevice devices_;
  std::array<std::unique_ptr<VcpuBackend>, 2> vcpus_;
  std::optional<ExitBreaker> breaker_;
  std::vector<std::pair<HartId, VcpuTask>> tasks_;
  std::vector<HartId> rested_in_exit_;
  bool paused_ = false;
  bool asked_ = false;
  bool busy_ = false;  // hart 1
  int prompts_ = 0;
  int status_ = 0;
};

TEST_F(ExitBreakerTest, WhatNobodyAskedForGoesOn) {
  begin(OnBreak::kExit);
  EXPECT_EQ(said_at(0, store(9)), "");
  EXPECT_FALSE(paused_);
}

TEST_F(ExitBreakerTest, ContinueIsOneLineAndStopsNobody) {
  begin(OnBreak::kContinue);
  EXPECT_EQ(said_at(0, store(10)),
            "break: [    0.000000] hart 0 pc 0x0: mmio uart+0x0 write, 1 byte at 0x10000000: 0xa\n");
  EXPECT_FALSE(paused_);
}

TEST_F(ExitBreakerTest, DumpShowsRegistersOfAllHartsAndGoesOn) {
  begin(OnBreak::kDump);
  const std::string said = said_at(0, store(10));
  EXPECT_THAT(said, HasSubstr("hart 0:\n    pc "));
  EXPECT_THAT(said, HasSubstr("0xaaa"));
  EXPECT_THAT(said, HasSubstr("hart 1:\n    pc "));
  EXPECT_THAT(said, HasSubstr("0xbbb"));
  EXPECT_FALSE(breaker_->is_stopped());
  EXPECT_FALSE(paused_);
}

// Until the machine is paused, KVM completes the exit, and other harts go on.
TEST_F(ExitBreakerTest, RegistersAreThoseOfTheExit) {
  begin(OnBreak::kDump);
  ::testing::internal::CaptureStderr();
  exit_on(0, store(10));
  fake(0).at(kA0) = 0x111;
  fake(1).at(kA0) = 0x222;
  loop();
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("0xaaa"));
  EXPECT_THAT(said, HasSubstr("0x222"));
}

TEST_F(ExitBreakerTest, AHartThatIsBusyIsShownWithoutRegisters) {
  busy_ = true;
  begin(OnBreak::kDump);
  EXPECT_THAT(said_at(0, store(10)), HasSubstr("hart 1: has not stopped yet\n"));
}

TEST_F(ExitBreakerTest, AHartThatWasBusyHasRegistersWhenItRests) {
  busy_ = true;
  begin(std::nullopt);
  said_at(0, store(10));
  EXPECT_THAT(breaker_->stopped()->registers[1], ::testing::IsEmpty());
  busy_ = false;
  EXPECT_THAT(breaker_->stopped()->registers[1], Not(::testing::IsEmpty()));
}

TEST_F(ExitBreakerTest, ExitEndsTheMachineWhichStaysPaused) {
  begin(OnBreak::kExit);
  EXPECT_THAT(said_at(0, store(10)), HasSubstr("hart 1:\n"));
  EXPECT_EQ(status_, static_cast<int>(ExitStatus::kBreak));
  EXPECT_TRUE(paused_);
}

TEST_F(ExitBreakerTest, PromptHoldsAllHartsUntilTheyMayGoOn) {
  begin(std::nullopt);
  EXPECT_EQ(said_at(0, store(10)), "");
  EXPECT_EQ(prompts_, 1);
  ASSERT_TRUE(is_stopped(0));
  EXPECT_THAT(breaker_->stopped()->line, HasSubstr("uart+0x0 write"));
  EXPECT_THAT(breaker_->stopped()->registers, Not(::testing::Contains(::testing::IsEmpty())));
  EXPECT_TRUE(paused_);
  breaker_->resume(false);
  EXPECT_FALSE(paused_);
  EXPECT_FALSE(breaker_->is_stopped());
}

TEST_F(ExitBreakerTest, ItIsObeyedOnceHoweverOftenTheMachineIsPaused) {
  begin(std::nullopt);
  said_at(0, store(10));
  breaker_->on_paused();
  EXPECT_EQ(prompts_, 1);
}

TEST_F(ExitBreakerTest, AStepEndsAtTheNextExitButNotAtASignal) {
  begin(std::nullopt);
  said_at(0, store(10));
  breaker_->resume(true);
  said_at(0, of_kind(ExitKind::kInterrupted));
  EXPECT_FALSE(paused_);
  said_at(0, store(9));
  EXPECT_TRUE(is_stopped(0));
  EXPECT_TRUE(paused_);
  breaker_->resume(false);
  said_at(0, store(9));
  EXPECT_FALSE(paused_);
}

TEST_F(ExitBreakerTest, TheSecondOfTwoHartsStopsWhenTheFirstGoesOn) {
  begin(std::nullopt);
  exit_on(0, store(10));
  exit_on(1, store(10));
  loop();
  EXPECT_TRUE(is_stopped(0));
  EXPECT_EQ(prompts_, 1);
  breaker_->resume(true);
  loop();
  EXPECT_TRUE(is_stopped(1));
  EXPECT_EQ(prompts_, 2);
  EXPECT_TRUE(paused_);
  breaker_->resume(false);
  EXPECT_FALSE(paused_);
}

TEST_F(ExitBreakerTest, TwoHartsAreDumpedInTurn) {
  begin(OnBreak::kDump);
  ::testing::internal::CaptureStderr();
  exit_on(1, store(10));
  exit_on(0, store(10));
  loop();
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_LT(said.find("hart 1 pc"), said.find("hart 0 pc"));
  EXPECT_NE(said.find("hart 0 pc"), std::string::npos);
  EXPECT_FALSE(paused_);
}

// Behind its answer there is no machine to look at.
TEST_F(ExitBreakerTest, AnEndOfTheMachineStopsBeforeItIsAnswered) {
  begin(OnBreak::kContinue);
  EXPECT_EQ(said_at(0, of_kind(ExitKind::kSystemEvent)), "");
  ::testing::internal::CaptureStderr();
  breaker_->before_system_event(HartId{0}, *vcpus_[0], of_kind(ExitKind::kSystemEvent));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("system shutdown, reason 0x1"));
}

TEST_F(ExitBreakerTest, AHartRestsBeforeTheEndOfTheMachineIsAnswered) {
  begin(std::nullopt);
  exit_on(0, store(10));
  EXPECT_TRUE(rested_in_exit_.empty());
  breaker_->before_system_event(HartId{1}, *vcpus_[1], of_kind(ExitKind::kSystemEvent));
  EXPECT_EQ(rested_in_exit_, std::vector{HartId{1}});
}

TEST_F(ExitBreakerTest, BehindTheEndOfAMachineNobodyStopsUntilTheNext) {
  begin(std::nullopt);
  breaker_->let_go();
  said_at(0, store(10));
  EXPECT_FALSE(paused_);
  restart();
  said_at(0, store(10));
  EXPECT_TRUE(is_stopped(0));
}

TEST_F(ExitBreakerTest, ADeviceThatThereIsNotIsAMistake) {
  config_.breaks = "mmio:uarrt";
  try {
    begin(std::nullopt);
    FAIL() << "nothing was said";
  } catch (const SetupError& error) {
    EXPECT_STREQ(error.what(), "--break: column 6: \"uarrt\" is not a device of this machine; did you mean uart?");
  }
}

TEST_F(ExitBreakerTest, StderrThatNobodyReadsKeepsNoHartFromEnding) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const Fd reader{ends[0]};
  const Fd writer{ends[1]};
  ASSERT_EQ(::fcntl(writer.get(), F_SETPIPE_SZ, 4096), 4096);
  const Fd stderr_before{::dup(STDERR_FILENO)};
  begin(OnBreak::kDump);
  ASSERT_EQ(::dup2(writer.get(), STDERR_FILENO), STDERR_FILENO);
  std::atomic<bool> done = false;
  std::jthread hart{[&] {
    for (int i = 0; i < 10; ++i) {
      exit_on(0, store(10));
      loop();
    }
    done = true;
  }};
  std::this_thread::sleep_for(std::chrono::milliseconds{300});
  const bool was_done = done;
  breaker_->let_go();
  hart.join();
  ::dup2(stderr_before.get(), STDERR_FILENO);
  EXPECT_FALSE(was_done) << "it waits for a reader";
}

TEST_F(ExitBreakerTest, AnExitBehindTheMachinesEndIsALine) {
  begin(OnBreak::kDump);
  breaker_->let_go();
  const std::string said = said_at(0, store(10));
  EXPECT_THAT(said, HasSubstr("break: "));
  EXPECT_THAT(said, HasSubstr("mmio uart"));
  EXPECT_THAT(said, Not(HasSubstr("hart 0:")));
}

TEST_F(ExitBreakerTest, StopsThatNobodyHasSeenAreLines) {
  begin(OnBreak::kPrompt);
  ::testing::internal::CaptureStderr();
  exit_on(0, store(10));
  exit_on(1, store(10));
  loop();
  breaker_->let_go();
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("hart 0 pc"));
  EXPECT_THAT(said, HasSubstr("hart 1 pc"));
}

TEST_F(ExitBreakerTest, AStopThatWasSeenIsNotSaidAgain) {
  begin(OnBreak::kPrompt);
  said_at(0, store(10));
  EXPECT_TRUE(is_stopped(0));
  ::testing::internal::CaptureStderr();
  breaker_->let_go();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace rvvmm::exit_breaker_test

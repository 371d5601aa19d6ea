#include "vmm/watch/exit_breaker.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

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

/// Two harts. The second one's thread does what is posted to it; exits of either are made by the tests' threads.
class ExitBreakerTest : public ::testing::Test {
 protected:
  ExitBreakerTest() {
    config_.breaks = "mmio:uart if value==10,system";
    vcpus_[0].at(kA0) = 0xAAA;
    vcpus_[1].at(kA0) = 0xBBB;
  }
  ~ExitBreakerTest() override {
    if (breaker_) breaker_->let_go();
    if (hart1_.joinable()) hart1_.join();
    {
      const std::lock_guard lock{mutex_};
      ended_ = true;
    }
    changed_.notify_all();
  }

  void begin(std::optional<OnBreak> on_break) {
    config_.on_break = on_break;
    breaker_.emplace(config_);
    breaker_->set_prompt([this] { prompts_.release_one(); });
    restart();
  }
  void restart() {
    breaker_->begin({.harts = 2,
                     .devices = devices_,
                     .control = {.post = [this](HartId hart, const VcpuTask& task) { post(hart, task); },
                                 .stop = [this](int status) { status_ = status; }}},
                    0, 10'000'000);
  }

  void post(HartId hart, const VcpuTask& task) {
    const std::lock_guard lock{mutex_};
    ++posted_;
    if (hart == HartId{1} && !busy_) tasks_.push_back(task);
    changed_.notify_all();
  }

  void exit_on(uint32_t hart, const ExitRecord& exit) { breaker_->on_exit(HartId{hart}, vcpus_[hart], exit); }
  std::string said_at(uint32_t hart, const ExitRecord& exit) {
    ::testing::internal::CaptureStderr();
    exit_on(hart, exit);
    return ::testing::internal::GetCapturedStderr();
  }
  /// What a test waits for, which must come.
  template <typename Condition>
  static bool soon(Condition holds) {
    for (int tries = 0; tries < 2000 && !holds(); ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
    return holds();
  }
  bool hart_is_stopped(uint32_t hart) {
    return soon([&] {
      const auto stop = breaker_->stopped();
      return stop && stop->hart == HartId{hart};
    });
  }

  class Count {
   public:
    void release_one() noexcept { ++count_; }
    int value() const noexcept { return count_; }

   private:
    std::atomic<int> count_ = 0;
  };

  Config config_;
  OneDevice devices_;
  std::array<FakeVcpu, 2> vcpus_;
  std::optional<ExitBreaker> breaker_;
  Count prompts_;
  std::atomic<int> status_ = 0;
  std::atomic<int> posted_ = 0;
  std::atomic<bool> busy_ = false;
  std::jthread hart1_;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<VcpuTask> tasks_;
  bool ended_ = false;
  std::jthread mailbox_{[this] {
    std::unique_lock lock{mutex_};
    for (;;) {
      changed_.wait(lock, [this] { return ended_ || !tasks_.empty(); });
      if (ended_) return;
      const VcpuTask task = tasks_.front();
      tasks_.pop_front();
      lock.unlock();
      task(vcpus_[1]);
      lock.lock();
    }
  }};
};

TEST_F(ExitBreakerTest, WhatNobodyAskedForGoesOn) {
  begin(OnBreak::kExit);
  EXPECT_EQ(said_at(0, store(9)), "");
  EXPECT_EQ(posted_, 0);
}

TEST_F(ExitBreakerTest, ContinueIsOneLineAndStopsNobody) {
  begin(OnBreak::kContinue);
  EXPECT_EQ(said_at(0, store(10)),
            "break: [    0.000000] hart 0 pc 0x0: mmio uart+0x0 write, 1 byte at 0x10000000: 0xa\n");
  EXPECT_EQ(posted_, 0);
}

TEST_F(ExitBreakerTest, DumpShowsRegistersOfAllHartsAndGoesOn) {
  begin(OnBreak::kDump);
  const std::string said = said_at(0, store(10));
  EXPECT_THAT(said, HasSubstr("hart 0:\n    pc "));
  EXPECT_THAT(said, HasSubstr("0xaaa"));
  EXPECT_THAT(said, HasSubstr("hart 1:\n    pc "));
  EXPECT_THAT(said, HasSubstr("0xbbb"));
  EXPECT_FALSE(breaker_->stopped());
}

// It may wait for another hart, or for who reads its output: neither may hold the one that has stopped.
TEST_F(ExitBreakerTest, AHartThatIsBusyIsNotWaitedFor) {
  busy_ = true;
  begin(OnBreak::kDump);
  EXPECT_THAT(said_at(0, store(10)), HasSubstr("hart 1: has not stopped yet\n"));
}

TEST_F(ExitBreakerTest, ExitEndsTheMachineAndStaysUntilThatIsDone) {
  begin(OnBreak::kExit);
  ::testing::internal::CaptureStderr();
  std::atomic<bool> went_on = false;
  std::jthread hart0{[&] {
    exit_on(0, store(10));
    went_on = true;
  }};
  EXPECT_TRUE(soon([&] { return status_ == static_cast<int>(ExitStatus::kBreak); }));
  EXPECT_FALSE(went_on);
  breaker_->let_go();
  hart0.join();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("hart 1:\n"));
}

TEST_F(ExitBreakerTest, PromptHoldsAllHartsUntilTheyMayGoOn) {
  begin(std::nullopt);
  std::atomic<bool> went_on = false;
  std::jthread hart0{[&] {
    exit_on(0, store(10));
    went_on = true;
  }};
  ASSERT_TRUE(hart_is_stopped(0));
  ASSERT_TRUE(soon([&] { return prompts_.value() == 1; }));
  EXPECT_THAT(breaker_->stopped()->line, HasSubstr("uart+0x0 write"));
  EXPECT_THAT(breaker_->stopped()->registers, Not(::testing::Contains(::testing::IsEmpty())));
  EXPECT_FALSE(went_on);
  breaker_->resume(false);
  hart0.join();
  EXPECT_FALSE(breaker_->stopped());
}

TEST_F(ExitBreakerTest, AStepEndsAtTheNextExitButNotAtASignal) {
  begin(std::nullopt);
  std::jthread first{[&] { exit_on(0, store(10)); }};
  ASSERT_TRUE(hart_is_stopped(0));
  breaker_->resume(true);
  first.join();
  exit_on(0, of_kind(ExitKind::kInterrupted));
  std::jthread second{[&] { exit_on(0, store(9)); }};
  ASSERT_TRUE(hart_is_stopped(0));
  breaker_->resume(false);
  second.join();
  exit_on(0, store(9));
}

TEST_F(ExitBreakerTest, TheSecondOfTwoHartsStopsWhenTheFirstGoesOn) {
  begin(std::nullopt);
  busy_ = true;  // in an exit of its own
  std::jthread hart0{[&] { exit_on(0, store(10)); }};
  ASSERT_TRUE(hart_is_stopped(0));
  hart1_ = std::jthread{[&] { exit_on(1, store(10)); }};
  std::this_thread::sleep_for(std::chrono::milliseconds{20});
  EXPECT_EQ(breaker_->stopped()->hart, HartId{0});
  breaker_->resume(false);
  hart0.join();
  EXPECT_TRUE(hart_is_stopped(1));
  breaker_->resume(false);
  hart1_.join();
}

// Behind its answer there is no machine to look at.
TEST_F(ExitBreakerTest, AnEndOfTheMachineStopsBeforeItIsAnswered) {
  begin(OnBreak::kContinue);
  EXPECT_EQ(said_at(0, of_kind(ExitKind::kSystemEvent)), "");
  ::testing::internal::CaptureStderr();
  breaker_->before_system_event(HartId{0}, vcpus_[0], of_kind(ExitKind::kSystemEvent));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("system shutdown, reason 0x1"));
}

TEST_F(ExitBreakerTest, BehindTheEndOfAMachineNobodyStopsUntilTheNext) {
  begin(std::nullopt);
  breaker_->let_go();
  exit_on(0, store(10));
  EXPECT_EQ(posted_, 0);
  restart();
  std::jthread hart0{[&] { exit_on(0, store(10)); }};
  EXPECT_TRUE(hart_is_stopped(0));
  breaker_->let_go();
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
    for (int i = 0; i < 10; ++i)
      exit_on(0, store(10));
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

TEST_F(ExitBreakerTest, APromptThatNobodyComesToIsALine) {
  begin(OnBreak::kPrompt);
  ::testing::internal::CaptureStderr();
  std::jthread hart{[this] { exit_on(0, store(10)); }};
  const bool asked = soon([this] { return prompts_.value() == 1; });
  breaker_->let_go();
  hart.join();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("break: "));
  EXPECT_TRUE(asked);
}

}  // namespace
}  // namespace rvvmm::exit_breaker_test

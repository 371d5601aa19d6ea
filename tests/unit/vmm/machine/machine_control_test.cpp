#include "vmm/machine/machine_control.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <string>
#include <thread>

#include "base/fd.hpp"
#include "fakes/fake_hypervisor.hpp"
#include "fakes/fake_virtio_device.hpp"
#include "fakes/recorders.hpp"
#include "sbi/hsm.hpp"
#include "unit/vmm/boot/boot_files.hpp"
#include "vmm/machine/machine.hpp"
#include "vmm/machine/pause_key.hpp"

namespace rvvmm::machine_control_test {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kHarts = 4;

/// A machine with a virtio device. Its harts enter the guest all the time, and make an exit of a kind that a test
/// chooses.
class MachineControlTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { VcpuThread::install_kick_handler(); }

  MachineControlTest() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    reader_ = Fd{ends[0]};
    writer_ = Fd{ends[1]};
    console_.emplace(writer_.get());
    console_->start([this] { first_output_.notify(); });
    config_.smp = kHarts;
  }

  /// `act` is each hart's exit.
  void make(const std::function<void(HartId, VcpuIo&)>& act) {
    hypervisor_.host.on_vcpu_made = [this, act](HartId hart, FakeVcpu& vcpu) { script(hart, vcpu, act); };
    machine_.emplace(Machine::Parts{.config = config_,
                                    .hypervisor = hypervisor_,
                                    .memory = memory_,
                                    .images = images_,
                                    .console = *console_,
                                    .loop = loop_,
                                    .boot_marks = marks_,
                                    .guest_log = guest_log_,
                                    .rtc_offset = rtc_offset_,
                                    .virtio = devices_,
                                    .former_vm = &former_vm_},
                     kinds_);
    control().set_listener(PauseOwner::kUser, {.on_quiet = [this] { ++quiet_; }, .on_wait = [this] { ++waits_; }});
  }
  void script(HartId hart, FakeVcpu& vcpu, const std::function<void(HartId, VcpuIo&)>& act) {
    vcpu.add_step([this, hart, &vcpu, act](VcpuIo& io) {
      ++exits_;
      act(hart, io);
      script(hart, vcpu, act);
      return RunOutcome::kContinue;
    });
  }
  /// All harts rest; the pause waits for the device alone.
  void pause_with_a_disk_that_does_not_answer() {
    device_.has_request_in_hand = true;
    make([](HartId /*hart*/, VcpuIo& /*io*/) {});
    machine_->start();
    control().pause(PauseOwner::kUser);
    ASSERT_TRUE(comes_true([this] { return control().waits_for() == "fake0"; }));
  }
  MachineControl& control() { return machine_->control(); }

  /// Asks no more once it is true: it may be so for a moment only.
  template <typename Condition>
  bool comes_true(Condition condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (!condition()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      loop_.serve();
      std::this_thread::sleep_for(std::chrono::microseconds{100});
    }
    return true;
  }
  bool becomes_quiet() {
    return comes_true([this] { return control().is_quiet(); });
  }
  bool runs() {
    const uint64_t before = exits_;
    return comes_true([&] { return exits_ > before + kHarts; });
  }
  bool stands_still() {
    const uint64_t before = exits_;
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
    loop_.serve();
    return exits_ == before;
  }

  const testing::MemoryFile kernel_{testing::image(4096)};
  Config config_;
  FakeHypervisor hypervisor_;
  GuestMemory memory_{kRamBase, 16_MiB};
  BootImages images_{(config_.kernel = kernel_.path(), config_)};
  Fd reader_;
  Fd writer_;
  std::optional<ConsoleHub> console_;
  EventLoop loop_;
  // A thread that a hart starts would share the hart's descriptors.
  Notifier first_output_{loop_, [this] { console_->launch(); }};
  RecordingMarks marks_;
  GuestLog guest_log_;
  uint64_t rtc_offset_ = 0;
  FakeVirtioDevice device_;
  const std::vector<VirtioDevice*> devices_{&device_};
  std::unique_ptr<VmBackend> former_vm_;
  std::vector<IrqchipKind> kinds_{IrqchipKind::kAiaHardware};
  std::atomic<uint64_t> exits_ = 0;
  int quiet_ = 0;
  int waits_ = 0;
  // What exits use, which are made until the machine is gone.
  std::array<std::atomic<uint64_t>, kHarts> lines_{};
  std::latch leave_{1};
  std::atomic<bool> is_set_ = false;
  std::optional<Machine> machine_;
};

void nothing(HartId /*hart*/, VcpuIo& /*io*/) {}

TEST_F(MachineControlTest, APausedMachineStandsStillUntilItIsResumed) {
  make(nothing);
  machine_->start();
  for (int pause = 1; pause <= 50; ++pause) {
    ASSERT_TRUE(runs());
    control().pause(PauseOwner::kUser);
    ASSERT_TRUE(device_.held);
    ASSERT_TRUE(becomes_quiet());
    ASSERT_EQ(quiet_, pause);
    ASSERT_TRUE(stands_still());
    control().resume(PauseOwner::kUser);
    ASSERT_FALSE(control().is_quiet());
    ASSERT_FALSE(device_.held);
  }
  EXPECT_EQ(waits_, 0);
}

TEST_F(MachineControlTest, WhoAsksAgainIsAnsweredAgainAndOneResumeIsEnough) {
  make(nothing);
  machine_->start();
  control().pause(PauseOwner::kUser);
  ASSERT_TRUE(becomes_quiet());
  control().pause(PauseOwner::kUser);
  EXPECT_EQ(quiet_, 2);
  control().resume(PauseOwner::kUser);
  control().resume(PauseOwner::kUser);
  EXPECT_FALSE(control().is_paused());
  EXPECT_TRUE(runs());
}

TEST_F(MachineControlTest, GoesOnWhenNobodyWantsItPaused) {
  make(nothing);
  machine_->start();
  int told = 0;
  control().set_listener(PauseOwner::kPanic, {.on_quiet = [&told] { ++told; }});
  control().pause(PauseOwner::kUser);
  ASSERT_TRUE(becomes_quiet());
  EXPECT_EQ(told, 0);
  control().pause(PauseOwner::kPanic);
  EXPECT_EQ(told, 1);
  control().resume(PauseOwner::kUser);
  EXPECT_TRUE(control().is_quiet());
  EXPECT_TRUE(stands_still());
  control().resume(PauseOwner::kPanic);
  EXPECT_TRUE(runs());
}

// The hart that asks is the first that rests, whatever the loop does.
TEST_F(MachineControlTest, AHartThatAsksForAPauseExecutesNothingMore) {
  make([this](HartId hart, VcpuIo& /*io*/) {
    if (hart != HartId{0}) return;
    ++lines_[0];
    control().pause_soon(PauseOwner::kPanic);
  });
  machine_->start();
  for (uint64_t pause = 1; pause <= 50; ++pause) {
    ASSERT_TRUE(becomes_quiet());
    ASSERT_EQ(lines_[0], pause);
    control().resume(PauseOwner::kPanic);
    control().resume(PauseOwner::kUser);  // at any moment
    ASSERT_TRUE(comes_true([&] { return lines_[0] == pause + 1; }));
  }
}

TEST_F(MachineControlTest, OfWhatOtherThreadsAskForTheLastCounts) {
  make(nothing);
  machine_->start();
  ASSERT_TRUE(runs());
  control().pause_soon(PauseOwner::kBreak);
  control().resume_soon(PauseOwner::kBreak);
  EXPECT_TRUE(runs());
  EXPECT_FALSE(control().is_paused());
  control().resume_soon(PauseOwner::kBreak);
  control().pause_soon(PauseOwner::kBreak);
  ASSERT_TRUE(becomes_quiet());
  control().resume_soon(PauseOwner::kBreak);
  control().pause_soon(PauseOwner::kBreak);
  loop_.serve();
  loop_.serve();
  EXPECT_TRUE(control().is_quiet());
  EXPECT_TRUE(stands_still());
  control().pause_soon(PauseOwner::kBreak);
  control().resume_soon(PauseOwner::kBreak);
  EXPECT_TRUE(runs());
  EXPECT_FALSE(control().is_paused());
}

TEST_F(MachineControlTest, AHartThatAsksWhileTheUserLetsTheMachineGoOnGetsItsPause) {
  make(nothing);
  machine_->start();
  for (int round = 0; round < 20; ++round) {
    control().pause(PauseOwner::kUser);
    ASSERT_TRUE(becomes_quiet());
    control().pause_soon(PauseOwner::kBreak);
    control().resume(PauseOwner::kUser);
    ASSERT_TRUE(becomes_quiet());
    ASSERT_TRUE(stands_still());
    control().resume(PauseOwner::kBreak);
    ASSERT_TRUE(runs());
  }
}

TEST_F(MachineControlTest, GuestTimeStandsStill) {
  make(nothing);
  machine_->start();
  hypervisor_.record.guest_time = 1'000;
  control().pause(PauseOwner::kUser);
  ASSERT_TRUE(becomes_quiet());
  hypervisor_.record.guest_time = 9'000;
  control().resume(PauseOwner::kUser);
  EXPECT_EQ(hypervisor_.record.guest_time, 1'000U);
}

TEST_F(MachineControlTest, GuestTimeOfAPauseThatIsGivenUpIsLeftAlone) {
  pause_with_a_disk_that_does_not_answer();
  hypervisor_.record.guest_time = 9'000;
  control().resume(PauseOwner::kUser);
  EXPECT_EQ(hypervisor_.record.guest_time, 9'000U);
}

TEST_F(MachineControlTest, PausedBeforeItStartsItExecutesNothing) {
  make(nothing);
  control().pause(PauseOwner::kUser);
  machine_->start();
  ASSERT_TRUE(becomes_quiet());
  EXPECT_EQ(exits_, 0U);
  control().resume(PauseOwner::kUser);
  EXPECT_TRUE(runs());
}

TEST_F(MachineControlTest, ADiskThatDoesNotAnswerIsNamedAndThePauseIsGivenUp) {
  device_.has_request_in_hand = true;
  make(nothing);
  machine_->start();
  control().pause(PauseOwner::kUser);
  ASSERT_TRUE(comes_true([this] { return waits_ == 1; }));
  EXPECT_EQ(control().waits_for(), "fake0");
  EXPECT_FALSE(control().is_quiet());
  control().resume(PauseOwner::kUser);
  EXPECT_FALSE(device_.held);
  EXPECT_TRUE(runs());
  EXPECT_EQ(quiet_, 0);
}

TEST_F(MachineControlTest, ADiskThatAnswersLateMakesTheMachineQuiet) {
  pause_with_a_disk_that_does_not_answer();
  device_.has_request_in_hand = false;
  EXPECT_TRUE(becomes_quiet());
}

TEST_F(MachineControlTest, AHartThatIsInACallIsNamed) {
  const auto is_in_a_call = std::make_shared<std::atomic<bool>>(false);
  make([this, is_in_a_call](HartId hart, VcpuIo& /*io*/) {
    if (hart != HartId{2}) return;
    *is_in_a_call = true;
    leave_.wait();
  });
  machine_->start();
  ASSERT_TRUE(comes_true([&] { return is_in_a_call->load(); }));
  control().pause(PauseOwner::kUser);
  EXPECT_TRUE(comes_true([this] { return control().waits_for() == "hart 2"; }));
  leave_.count_down();
  EXPECT_TRUE(becomes_quiet());
  EXPECT_EQ(control().waits_for(), "");
}

TEST_F(MachineControlTest, HartsThatWaitForTheConsolesReaderRest) {
  make([this](HartId hart, VcpuIo& /*io*/) {
    const std::string line = std::format("{} {:0100}\n", hart.value, lines_[hart.value]++);
    console_->write(std::as_bytes(std::span{line}));
  });
  machine_->start();
  ASSERT_TRUE(comes_true([this] { return console_->writer_waits(); }));
  for (int pause = 0; pause < 20; ++pause) {
    control().pause(PauseOwner::kUser);
    ASSERT_TRUE(becomes_quiet());
    control().resume(PauseOwner::kUser);
    std::string piece(20'000, ' ');
    ASSERT_GT(::read(reader_.get(), piece.data(), piece.size()), 0);
  }
  control().pause(PauseOwner::kUser);  // a hart that waits for the reader could not end
  ASSERT_TRUE(becomes_quiet());
  machine_->stop();
}

TEST_F(MachineControlTest, HartsThatAskEachOtherRest) {
  make([](HartId hart, VcpuIo& io) {
    const SbiRet ret = io.sbi_ecall(hart, {.eid = Hsm::kOwnEid, .fid = 2, .args = {(hart.value + 1) % kHarts}});
    EXPECT_EQ(ret.error, 0);
  });
  machine_->start();
  for (int pause = 0; pause < 50; ++pause) {
    ASSERT_TRUE(runs());
    control().pause(PauseOwner::kUser);
    ASSERT_TRUE(becomes_quiet());
    ASSERT_TRUE(stands_still());
    control().resume(PauseOwner::kUser);
  }
}

TEST_F(MachineControlTest, AMachineThatEndsWhileItIsPausedLeavesItsDevicesFree) {
  make(nothing);
  machine_->start();
  control().pause(PauseOwner::kUser);
  ASSERT_TRUE(becomes_quiet());
  const uint64_t exits = exits_;
  machine_->stop();
  EXPECT_EQ(exits_, exits);
  EXPECT_FALSE(control().is_paused());
  machine_.reset();
  EXPECT_FALSE(device_.held);
}

TEST_F(MachineControlTest, ANewMachineIsPausedIfTheUserPausedTheOneBefore) {
  PauseKey key;
  make(nothing);
  key.set_machine(&control());
  machine_->start();
  ::testing::internal::CaptureStderr();
  key.press();
  ASSERT_TRUE(becomes_quiet());
  key.set_machine(nullptr);
  key.press();
  key.press();  // is for the next one
  machine_.reset();
  exits_ = 0;
  make(nothing);
  key.set_machine(&control());
  machine_->start();
  ASSERT_TRUE(becomes_quiet());
  EXPECT_EQ(exits_, 0U);
  key.press();
  EXPECT_TRUE(runs());
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "\nrvvmm: the machine is paused; Ctrl-A p lets it go on\n"
            "rvvmm: the pause is given up\n"
            "\nrvvmm: the machine is paused; Ctrl-A p lets it go on\n"
            "rvvmm: the machine goes on\n");
}

TEST_F(MachineControlTest, ThePauseKeyTellsWhatThePauseWaitsFor) {
  device_.has_request_in_hand = true;
  PauseKey key;
  make(nothing);
  key.set_machine(&control());
  machine_->start();
  ::testing::internal::CaptureStderr();
  key.press();
  std::this_thread::sleep_for(MachineControl::kPatience);
  ASSERT_TRUE(comes_true([this] { return control().waits_for() == "fake0"; }));
  loop_.serve();
  loop_.serve();
  key.press();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "\nrvvmm: the pause waits for fake0; Ctrl-A p gives it up\n"
            "rvvmm: the pause is given up; the machine goes on\n");
}

TEST_F(MachineControlTest, AnAlarmDuringThePauseRingsAfterIt) {
  constexpr Gpa kAlarmLow = kRtcWindow.base + 8;
  constexpr Gpa kAlarmHigh = kRtcWindow.base + 12;
  constexpr Gpa kIrqEnabled = kRtcWindow.base + 16;
  const auto write = [](VcpuIo& io, Gpa at, uint32_t value) {
    io.mmio_write(HartId{0}, at, std::as_bytes(std::span{&value, 1}));
  };
  make([this, kAlarmLow, kAlarmHigh, kIrqEnabled, write](HartId hart, VcpuIo& io) {
    if (hart != HartId{0} || is_set_) return;
    const auto at = std::chrono::system_clock::now().time_since_epoch() + std::chrono::milliseconds{200};
    const auto ns = static_cast<uint64_t>(std::chrono::nanoseconds{at}.count());
    write(io, kIrqEnabled, 1);
    write(io, kAlarmHigh, static_cast<uint32_t>(ns >> 32));
    write(io, kAlarmLow, static_cast<uint32_t>(ns));
    is_set_ = true;
  });
  const std::atomic<int>& line = hypervisor_.record.irq_level[kRtcGsi.value];
  machine_->start();
  ASSERT_TRUE(comes_true([this] { return is_set_.load(); }));
  control().pause(PauseOwner::kUser);
  ASSERT_TRUE(becomes_quiet());
  std::this_thread::sleep_for(std::chrono::milliseconds{300});
  loop_.serve();
  loop_.serve();
  EXPECT_EQ(line, 0);
  control().resume(PauseOwner::kUser);
  EXPECT_EQ(line, 1);
}

}  // namespace
}  // namespace rvvmm::machine_control_test

#include "vmm/harts/hart_states.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <semaphore>
#include <thread>

#include "fakes/fake_machine.hpp"
#include "fakes/fake_vcpu.hpp"

namespace rvvmm::hart_states_test {
namespace {

constexpr HartId kHart0{0};
constexpr HartId kHart1{1};
constexpr HartId kHart2{2};
constexpr Gpa kWaitPage{0x1000};
constexpr HartEntry kEntry{.pc = Gpa{0x8000'1000}, .opaque = 77};

/// Three harts on their threads; hart 0 runs, the others are stopped.
class HartStatesTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kHarts = 3;

  static void SetUpTestSuite() { VcpuThread::install_kick_handler(); }

  void SetUp() override {
    for (uint32_t i = 0; i < kHarts; ++i) {
      if (i != 0) vcpus[i].hart_state = HartState::kStopped;
      for (uint32_t reg = 0; reg < static_cast<uint32_t>(HartRegister::kCount); ++reg)
        vcpus[i].at(static_cast<HartRegister>(reg)) = pattern(static_cast<HartRegister>(reg));
      threads.push_back(std::make_unique<VcpuThread>(VcpuThread::Parts{
          .hart = HartId{i}, .backend = vcpus[i], .io = io, .listener = listener, .host_cpu = std::nullopt}));
    }
    for (const auto& thread : threads)
      thread->start();
  }
  void TearDown() override {
    harts.end();
    threads.clear();
  }

  /// What each register holds at first: interrupts enabled, none pending, no timer, and nothing else that means
  /// anything.
  static uint64_t pattern(HartRegister reg) {
    if (reg == HartRegister::kSip) return 0;
    if (reg == HartRegister::kTimerCompare) return kNoTimer;
    return 0x5A00 | static_cast<uint64_t>(reg) | kSstatusSie;
  }

  /// Begins an SBI call on a running hart's thread; the result is there when the call is over. A hart that is stopped
  /// makes it when it has been started.
  template <class Call>
  auto begin_call(HartId hart, Call call) {
    auto work = std::make_shared<std::packaged_task<decltype(call())()>>(std::move(call));
    auto result = work->get_future();
    vcpus[hart.value].add_step([work](VcpuIo&) {
      (*work)();
      return RunOutcome::kContinue;
    });
    return result;
  }
  template <class Call>
  auto call(HartId hart, Call work) {
    return begin_call(hart, std::move(work)).get();
  }
  /// On the hart's thread, outside the guest, behind what was posted there before.
  template <class Look>
  auto look(HartId hart, Look at) {
    auto work = std::make_shared<std::packaged_task<decltype(at(vcpus[0]))()>>(
        [this, hart, at] { return at(vcpus[hart.value]); });
    auto result = work->get_future();
    kept.push_back(work);
    threads[hart.value]->post([task = work.get()](VcpuBackend&) { (*task)(); });
    return result.get();
  }

  /// Keeps a hart's thread from its mailbox until the promise that it returns is kept.
  std::promise<void> hold(HartId hart) {
    struct Hold {
      std::promise<void> held;
      std::future<void> left;
    };
    std::promise<void> leave;
    const auto hold = std::make_shared<Hold>(Hold{.held = {}, .left = leave.get_future()});
    kept.push_back(hold);
    threads[hart.value]->post([at = hold.get()](VcpuBackend&) {
      at->held.set_value();
      at->left.wait();
    });
    hold->held.get_future().wait();
    return leave;
  }

  bool start(HartId asker, HartId target) {
    return call(asker, [=, this] { return harts.start(asker, target, kEntry); });
  }
  HsmState state(HartId asker, HartId target) {
    return call(asker, [=, this] { return harts.state(asker, target); });
  }
  bool stop(HartId self) {
    return call(self, [=, this] { return harts.stop(self); });
  }
  bool suspend(HartId self, std::optional<HartEntry> resume = std::nullopt) {
    return call(self, [=, this] { return harts.suspend(self, resume); });
  }
  bool resume(HartId self) {
    return call(self, [=, this] { return harts.resume(self); });
  }
  std::array<uint64_t, static_cast<size_t>(HartRegister::kCount)> registers_of(HartId hart) {
    return look(hart, [](FakeVcpu& vcpu) {
      std::array<uint64_t, static_cast<size_t>(HartRegister::kCount)> values{};
      for (size_t reg = 0; reg < values.size(); ++reg)
        values.at(reg) = vcpu.at(static_cast<HartRegister>(reg));
      return values;
    });
  }
  uint64_t value_of(HartId hart, HartRegister reg) {
    return look(hart, [reg](FakeVcpu& vcpu) { return vcpu.at(reg); });
  }
  /// The registers of SBI 3.0, 9.1 and 9.4, and all the others untouched.
  void expect_entered(HartId hart, std::initializer_list<HartRegister> changed_too = {}) {
    auto expected = registers_of(hart);
    for (size_t reg = 0; reg < expected.size(); ++reg)
      if (std::ranges::find(changed_too, static_cast<HartRegister>(reg)) == changed_too.end())
        expected.at(reg) = pattern(static_cast<HartRegister>(reg));
    const auto set = [&](HartRegister reg, uint64_t value) { expected.at(static_cast<size_t>(reg)) = value; };
    set(HartRegister::kPc, kEntry.pc.value);
    set(kA0, hart.value);
    set(kA1, kEntry.opaque);
    set(HartRegister::kSatp, 0);
    set(HartRegister::kSstatus, pattern(HartRegister::kSstatus) & ~kSstatusSie);
    EXPECT_EQ(registers_of(hart), expected);
  }

  /// Begins to suspend the machine with these interrupts enabled and pending.
  void suspend_system(uint64_t enabled, uint64_t pending = 0) {
    look(kHart0, [=](FakeVcpu& vcpu) {
      vcpu.at(HartRegister::kSie) = enabled;
      return vcpu.at(HartRegister::kSip) = pending;
    });
    EXPECT_TRUE(call(kHart0, [this] { return harts.suspend_system(kHart0, kEntry); }));
    look(kHart0, [](FakeVcpu&) { return true; });
  }
  HartState state_in_kvm(HartId hart) {
    return look(hart, [](FakeVcpu& vcpu) { return vcpu.hart_state; });
  }
  void expect_woken() {
    // A task of its own ends the sleep: it is behind the one that looks, or behind one that this one has posted.
    for (int looks = 0; looks < 1000 && resumed == 0; ++looks)
      look(kHart0, [](FakeVcpu&) { return true; });
    EXPECT_EQ(state_in_kvm(kHart0), HartState::kRunnable);
    EXPECT_EQ(resumed, 1);
    EXPECT_EQ(value_of(kHart0, HartRegister::kPc), kEntry.pc.value);
    EXPECT_FALSE(harts.wake());
  }
  void expect_asleep() {
    for (int looks = 0; looks < 3; ++looks)
      EXPECT_EQ(state_in_kvm(kHart0), HartState::kStopped);
    EXPECT_EQ(suspended, 1);
    EXPECT_EQ(resumed, 0);
  }

  std::vector<std::shared_ptr<void>> kept;  ///< what tasks use: they carry no more than a pointer to it
  IdleIo io;
  RecordingListener listener;
  std::array<FakeVcpu, kHarts> vcpus;
  std::vector<std::unique_ptr<VcpuThread>> threads;
  bool host_maps_pages = true;
  std::counting_semaphore<> posts{0};  ///< released by each task that HartStates posts
  std::span<const std::byte> wait_page;
  std::atomic<int> suspended = 0;
  std::atomic<int> resumed = 0;
  std::atomic<uint64_t> wakes_in = kNoTimer;  ///< in ticks
  std::atomic<uint32_t> falls_asleep = UINT32_MAX;
  HartStates harts{{.harts = kHarts,
                    .map_wait_page =
                        [this](std::span<const std::byte> page) {
                          wait_page = page;
                          return host_maps_pages;
                        },
                    .wait_page = kWaitPage,
                    .before_system_suspend = [this](HartId hart) { falls_asleep = hart.value; },
                    .on_system_suspended = [this] { ++suspended; },
                    .wake_in = [this](uint64_t ticks) { wakes_in = ticks; },
                    .on_system_resumed = [this] { ++resumed; },
                    .post =
                        [this](HartId hart, const VcpuTask& task) {
                          EXPECT_TRUE(threads[hart.value]->post(task));
                          posts.release();
                        }}};
};

TEST_F(HartStatesTest, KvmSaysWhoIsStopped) {
  EXPECT_EQ(state(kHart0, kHart0), HsmState::kStarted);
  EXPECT_EQ(state(kHart0, kHart1), HsmState::kStopped);
  // As by the kernel's own HSM.
  look(kHart1, [](FakeVcpu& vcpu) { return vcpu.set_state(HartState::kRunnable); });
  EXPECT_EQ(state(kHart0, kHart1), HsmState::kStarted);
}

TEST_F(HartStatesTest, AStoppedHartStartsAtItsEntry) {
  EXPECT_TRUE(start(kHart0, kHart1));
  EXPECT_EQ(state(kHart0, kHart1), HsmState::kStarted);
  expect_entered(kHart1, {HartRegister::kSie, HartRegister::kScounteren});
  EXPECT_EQ(value_of(kHart1, HartRegister::kSie), 0U);
  EXPECT_EQ(value_of(kHart1, HartRegister::kScounteren), kAllCountersReadable);
}

TEST_F(HartStatesTest, ARunningHartIsNotStarted) {
  EXPECT_FALSE(start(kHart0, kHart0));
  ASSERT_TRUE(start(kHart0, kHart1));
  EXPECT_FALSE(start(kHart0, kHart1));
  EXPECT_FALSE(start(kHart1, kHart0));
  EXPECT_EQ(state(kHart1, kHart0), HsmState::kStarted);
}

TEST_F(HartStatesTest, AHartStopsBehindItsCall) {
  ASSERT_TRUE(start(kHart0, kHart1));
  const HsmState in_the_call = call(kHart1, [this] {
    EXPECT_TRUE(harts.stop(kHart1));
    EXPECT_FALSE(harts.stop(kHart1));
    EXPECT_FALSE(harts.suspend(kHart1, std::nullopt));
    return harts.state(kHart1, kHart1);
  });
  EXPECT_EQ(in_the_call, HsmState::kStopPending);
  look(kHart1, [](FakeVcpu&) { return true; });
  EXPECT_EQ(state(kHart0, kHart1), HsmState::kStopped);
  EXPECT_TRUE(start(kHart0, kHart1));
}

TEST_F(HartStatesTest, ASuspendedHartWaitsInThePageOfItsOwn) {
  const auto before = registers_of(kHart0);
  EXPECT_TRUE(suspend(kHart0));
  ASSERT_EQ(wait_page.size(), 4_KiB);
  const std::span<const std::byte> code = std::as_bytes(HartStates::wait_code());
  EXPECT_TRUE(std::ranges::equal(wait_page.first(code.size()), code));
  EXPECT_EQ(value_of(kHart0, HartRegister::kPc), kWaitPage.value);
  EXPECT_EQ(value_of(kHart0, HartRegister::kSatp), 0U);
  EXPECT_EQ(value_of(kHart0, HartRegister::kSstatus) & kSstatusSie, 0U);
  EXPECT_EQ(value_of(kHart0, HartRegister::kSie), before[static_cast<size_t>(HartRegister::kSie)]);
  EXPECT_EQ(state(kHart0, kHart0), HsmState::kSuspended);
}

TEST_F(HartStatesTest, RetentiveSuspendGivesEveryRegisterBack) {
  auto expected = registers_of(kHart0);
  expected[static_cast<size_t>(kA0)] = 0;
  expected[static_cast<size_t>(kA1)] = 0;
  ASSERT_TRUE(suspend(kHart0));
  look(kHart0, [](FakeVcpu& vcpu) {
    for (const uint32_t overwritten : {5U, 6U, 10U, 11U, 16U, 17U})
      vcpu.at(x(overwritten)) = 0xBAD;
    return true;
  });
  EXPECT_TRUE(resume(kHart0));
  EXPECT_EQ(registers_of(kHart0), expected);
  EXPECT_EQ(state(kHart0, kHart0), HsmState::kStarted);
}

TEST_F(HartStatesTest, NonRetentiveSuspendBeginsAtItsEntry) {
  ASSERT_TRUE(suspend(kHart0, kEntry));
  EXPECT_TRUE(resume(kHart0));
  expect_entered(kHart0);
}

TEST_F(HartStatesTest, ASuspendedHartIsNotStartedAndSeenAsSuspended) {
  ASSERT_TRUE(start(kHart0, kHart1));
  ASSERT_TRUE(suspend(kHart0));
  EXPECT_EQ(value_of(kHart0, HartRegister::kPc), kWaitPage.value);
  EXPECT_EQ(state(kHart1, kHart0), HsmState::kSuspended);
  EXPECT_FALSE(start(kHart1, kHart0));
}

TEST_F(HartStatesTest, StatesInBetweenAreSeen) {
  const auto states = call(kHart0, [this] {
    EXPECT_TRUE(harts.suspend(kHart0, std::nullopt));
    return harts.state(kHart0, kHart0);
  });
  EXPECT_EQ(states, HsmState::kSuspendPending);
  look(kHart0, [](FakeVcpu&) { return true; });
  const auto resuming = call(kHart0, [this] {
    EXPECT_TRUE(harts.resume(kHart0));
    EXPECT_FALSE(harts.resume(kHart0));
    return harts.state(kHart0, kHart0);
  });
  EXPECT_EQ(resuming, HsmState::kResumePending);
}

// The hart is asked to come once, for all questions: that the second one is there in time nobody sees.
TEST_F(HartStatesTest, AStartIsPendingUntilTheHartHasLookedAtIt) {
  look(kHart2, [](FakeVcpu& vcpu) { return vcpu.set_state(HartState::kRunnable); });
  HsmState second = HsmState::kStarted;
  for (int round = 0; round < 500 && second != HsmState::kStartPending; ++round) {
    look(kHart1, [](FakeVcpu& vcpu) { return vcpu.set_state(HartState::kStopped); });
    std::promise<void> leave = hold(kHart1);
    auto started = begin_call(kHart0, [this] { return harts.start(kHart0, kHart1, kEntry); });
    posts.acquire();
    auto seen = begin_call(kHart2, [this] { return harts.state(kHart2, kHart1); });
    std::this_thread::sleep_for(std::chrono::milliseconds{2});
    leave.set_value();
    EXPECT_TRUE(started.get());
    second = seen.get();
    while (posts.try_acquire())
      continue;
  }
  EXPECT_EQ(second, HsmState::kStartPending);
}

// Calls of a hart answer what it is asked; it must not be asked to come for each question all the same.
TEST_F(HartStatesTest, AHartThatDoesNotComeIsAskedToOnce) {
  std::promise<void> leave = hold(kHart1);
  vcpus[1].hart_state = HartState::kRunnable;
  for (size_t asked = 0; asked < 3 * VcpuThread::kMostTasks; ++asked) {
    auto state = begin_call(kHart0, [this] { return harts.state(kHart0, kHart1); });
    while (state.wait_for(std::chrono::milliseconds{1}) != std::future_status::ready)
      harts.state(kHart1, kHart1);  // as within a batch of calls, of which each is one of the hart's
    ASSERT_EQ(state.get(), HsmState::kStarted);
  }
  posts.acquire();
  EXPECT_FALSE(posts.try_acquire());
  leave.set_value();
}

TEST_F(HartStatesTest, AHartThatRunsIsNeverSeenAsStarting) {
  ASSERT_TRUE(start(kHart0, kHart1));
  for (int round = 0; round < 300; ++round) {
    auto refused = begin_call(kHart0, [this] { return harts.start(kHart0, kHart1, kEntry); });
    ASSERT_EQ(state(kHart1, kHart1), HsmState::kStarted) << round;
    ASSERT_FALSE(refused.get());
  }
}

TEST_F(HartStatesTest, TheMachineSleepsUntilItIsWoken) {
  look(kHart0, [](FakeVcpu& vcpu) { return vcpu.at(HartRegister::kScounteren) = 5; });
  EXPECT_FALSE(harts.wake());
  EXPECT_TRUE(call(kHart0, [this] { return harts.suspend_system(kHart0, kEntry); }));
  EXPECT_EQ(look(kHart0, [](FakeVcpu& vcpu) { return vcpu.hart_state; }), HartState::kStopped);
  EXPECT_EQ(suspended, 1);
  EXPECT_EQ(vcpus[0].suspend_resets_taken, 1U);
  EXPECT_TRUE(harts.wake());
  harts.wake();
  EXPECT_EQ(look(kHart0, [](FakeVcpu& vcpu) { return vcpu.hart_state; }), HartState::kRunnable);
  EXPECT_EQ(value_of(kHart0, HartRegister::kScounteren), 5U);
  expect_entered(kHart0, {HartRegister::kScounteren, HartRegister::kSie});
  EXPECT_EQ(resumed, 1);
  EXPECT_FALSE(harts.wake());
  EXPECT_EQ(state(kHart0, kHart0), HsmState::kStarted);
}

TEST_F(HartStatesTest, AHartThatKvmDoesNotStopGoesOn) {
  vcpus[0].refuses_suspend_reset = true;
  EXPECT_TRUE(call(kHart0, [this] { return harts.suspend_system(kHart0, kEntry); }));
  look(kHart0, [](FakeVcpu&) { return true; });
  EXPECT_FALSE(harts.wake());
  EXPECT_EQ(state(kHart0, kHart0), HsmState::kStarted);
  EXPECT_EQ(suspended, 0);
  EXPECT_EQ(falls_asleep, 0U);
  EXPECT_EQ(resumed, 1);  // who was told that it falls asleep
}

TEST_F(HartStatesTest, AWakeInTheCallThatSuspendsTheMachineIsRemembered) {
  const bool woken = call(kHart0, [this] { return harts.suspend_system(kHart0, kEntry) && harts.wake(); });
  EXPECT_TRUE(woken);
  expect_woken();
}

TEST_F(HartStatesTest, AWakeInTheMiddleOfFallingAsleepIsRemembered) {
  bool woken = false;
  vcpus[0].on_suspend_reset = [&] { woken = harts.wake(); };
  suspend_system(0);
  EXPECT_TRUE(woken);
  expect_woken();
}

TEST_F(HartStatesTest, AWakeIsForgottenWhereTheMachineDoesNotFallAsleep) {
  vcpus[0].refuses_suspend_reset = true;
  EXPECT_TRUE(call(kHart0, [this] { return harts.suspend_system(kHart0, kEntry) && harts.wake(); }));
  look(kHart0, [](FakeVcpu&) { return true; });
  vcpus[0].refuses_suspend_reset = false;
  resumed = 0;
  suspend_system(0);
  expect_asleep();
}

TEST_F(HartStatesTest, AnInterruptThatIsPendingAndEnabledEndsTheSleepAtOnce) {
  for (const uint64_t interrupt : {kSoftwareInterrupt, kExternalInterrupt, uint64_t{1} << 13}) {
    resumed = 0;
    suspend_system(interrupt, interrupt);
    expect_woken();
  }
}

TEST_F(HartStatesTest, AnInterruptThatIsPendingAndNotEnabledDoesNot) {
  suspend_system(kSoftwareInterrupt | kTimerInterrupt, kExternalInterrupt);
  expect_asleep();
}

TEST_F(HartStatesTest, ATimerThatIsEnabledWakesWhenItIsDue) {
  look(kHart0, [](FakeVcpu& vcpu) {
    vcpu.at(HartRegister::kTime) = 1000;
    return vcpu.at(HartRegister::kTimerCompare) = 1500;
  });
  suspend_system(kTimerInterrupt);
  expect_asleep();
  EXPECT_EQ(wakes_in, 500U);
  EXPECT_TRUE(harts.wake());
  expect_woken();
  EXPECT_EQ(value_of(kHart0, HartRegister::kTimerCompare), 1500U);
  EXPECT_EQ(value_of(kHart0, HartRegister::kTimerState), 1U);
}

TEST_F(HartStatesTest, ATimerWaitsAnewWhenGuestTimeHasStoodStill) {
  look(kHart0, [](FakeVcpu& vcpu) {
    vcpu.at(HartRegister::kTime) = 1000;
    return vcpu.at(HartRegister::kTimerCompare) = 1500;
  });
  harts.on_time_continues(1100);
  EXPECT_EQ(wakes_in, kNoTimer) << "nobody sleeps";
  suspend_system(kTimerInterrupt);
  expect_asleep();
  harts.on_time_continues(1200);
  EXPECT_EQ(wakes_in, 300U);
  harts.on_time_continues(1600);
  EXPECT_EQ(wakes_in, 0U);
}

TEST_F(HartStatesTest, ATimerThatIsDueWakesAtOnce) {
  look(kHart0, [](FakeVcpu& vcpu) {
    vcpu.at(HartRegister::kTime) = 1000;
    return vcpu.at(HartRegister::kTimerCompare) = 0;
  });
  suspend_system(kTimerInterrupt);
  EXPECT_EQ(wakes_in, 0U);
}

TEST_F(HartStatesTest, ATimerThatIsNotEnabledDoesNotWakeAndIsKept) {
  look(kHart0, [](FakeVcpu& vcpu) { return vcpu.at(HartRegister::kTimerCompare) = 1500; });
  suspend_system(kExternalInterrupt);
  EXPECT_EQ(wakes_in, kNoTimer);
  EXPECT_TRUE(harts.wake());
  expect_woken();
  EXPECT_EQ(value_of(kHart0, HartRegister::kTimerCompare), 1500U);
}

TEST_F(HartStatesTest, NoTimerIsNoTimer) {
  suspend_system(kTimerInterrupt);
  EXPECT_EQ(wakes_in, kNoTimer);
  expect_asleep();
}

TEST_F(HartStatesTest, AnInterruptThatADeviceRaisesInTheSleepWakes) {
  suspend_system(kExternalInterrupt);
  harts.on_interrupt();  // for another hart, or one that the guest has not enabled
  expect_asleep();
  vcpus[0].external_interrupt = true;
  harts.on_interrupt();
  harts.on_interrupt();
  expect_woken();
}

TEST_F(HartStatesTest, AnInterruptThatADeviceRaisesWhileTheMachineFallsAsleepWakes) {
  vcpus[0].on_suspend_reset = [&] { vcpus[0].external_interrupt = true; };
  suspend_system(kExternalInterrupt);
  expect_woken();
}

TEST_F(HartStatesTest, AnInterruptThatIsNotEnabledIsNotEvenLookedAt) {
  suspend_system(kTimerInterrupt);
  while (posts.try_acquire()) {
  }
  vcpus[0].external_interrupt = true;
  harts.on_interrupt();
  EXPECT_FALSE(posts.try_acquire());
  expect_asleep();
}

TEST_F(HartStatesTest, ManyInterruptsAreOneLook) {
  suspend_system(kExternalInterrupt);
  std::promise<void> leave = hold(kHart0);
  while (posts.try_acquire()) {
  }
  for (int i = 0; i < 100; ++i)
    harts.on_interrupt();
  EXPECT_TRUE(posts.try_acquire());
  EXPECT_FALSE(posts.try_acquire());
  leave.set_value();
  expect_asleep();
}

TEST_F(HartStatesTest, AnInterruptWhileTheMachineIsAwakeIsNobodysBusiness) {
  while (posts.try_acquire()) {
  }
  harts.on_interrupt();
  EXPECT_FALSE(posts.try_acquire());
}

TEST_F(HartStatesTest, TheMachineDoesNotSleepWhileAnotherHartRuns) {
  ASSERT_TRUE(start(kHart0, kHart2));
  EXPECT_FALSE(call(kHart0, [this] { return harts.suspend_system(kHart0, kEntry); }));
  ASSERT_TRUE(suspend(kHart2, kEntry));
  EXPECT_FALSE(call(kHart0, [this] { return harts.suspend_system(kHart0, kEntry); }));
  EXPECT_EQ(suspended, 0);
}

TEST_F(HartStatesTest, AWakeThatComesAsTheMachineFallsAsleepIsNotLost) {
  for (int round = 0; round < 200; ++round) {
    auto sleeps = begin_call(kHart0, [this] { return harts.suspend_system(kHart0, kEntry); });
    while (!harts.wake())
      std::this_thread::yield();
    ASSERT_TRUE(sleeps.get());
    for (int looks = 0; looks < 1000 && resumed <= round; ++looks)
      look(kHart0, [](FakeVcpu&) { return true; });
    ASSERT_EQ(state_in_kvm(kHart0), HartState::kRunnable) << round;
  }
  EXPECT_EQ(resumed, 200);
}

TEST_F(HartStatesTest, ResumeOfAHartThatIsNotSuspendedIsRefused) {
  EXPECT_FALSE(resume(kHart0));
}

TEST_F(HartStatesTest, SuspendFailsWhereThePageCannotBeMapped) {
  host_maps_pages = false;
  EXPECT_FALSE(suspend(kHart0));
  EXPECT_EQ(state(kHart0, kHart0), HsmState::kStarted);
  host_maps_pages = true;
  EXPECT_TRUE(suspend(kHart0));
}

TEST_F(HartStatesTest, OfTwoThatStartAHartOneWins) {
  look(kHart2, [](FakeVcpu& vcpu) { return vcpu.set_state(HartState::kRunnable); });
  for (int round = 0; round < 300; ++round) {
    auto first = begin_call(kHart0, [this] { return harts.start(kHart0, kHart1, kEntry); });
    auto second = begin_call(kHart2, [this] { return harts.start(kHart2, kHart1, kEntry); });
    ASSERT_NE(first.get(), second.get()) << round;
    ASSERT_TRUE(stop(kHart1));
    look(kHart1, [](FakeVcpu&) { return true; });
  }
}

TEST_F(HartStatesTest, AStartThatRacesWithAStopIsNotLost) {
  ASSERT_TRUE(start(kHart0, kHart1));
  for (int round = 0; round < 300; ++round) {
    auto stopped = begin_call(kHart1, [this] { return harts.stop(kHart1); });
    while (!start(kHart0, kHart1)) {
    }
    ASSERT_TRUE(stopped.get());
    ASSERT_EQ(state(kHart0, kHart1), HsmState::kStarted) << round;
  }
}

TEST_F(HartStatesTest, AStartThatRacesWithASuspendIsRefused) {
  ASSERT_TRUE(start(kHart0, kHart1));
  for (int round = 0; round < 300; ++round) {
    auto suspends = begin_call(kHart1, [this] { return harts.suspend(kHart1, kEntry); });
    ASSERT_FALSE(start(kHart0, kHart1)) << round;
    ASSERT_TRUE(suspends.get());
    look(kHart1, [](FakeVcpu&) { return true; });
    ASSERT_TRUE(resume(kHart1));
    look(kHart1, [](FakeVcpu&) { return true; });
  }
}

TEST_F(HartStatesTest, HartsThatAskEachOtherDoNotWaitForEver) {
  ASSERT_TRUE(start(kHart0, kHart1));
  ASSERT_TRUE(start(kHart0, kHart2));
  for (int round = 0; round < 300; ++round) {
    std::array<std::future<HsmState>, kHarts> states;
    for (uint32_t i = 0; i < kHarts; ++i) {
      const HartId asker{i};
      const HartId target{(i + 1) % kHarts};
      states.at(i) = begin_call(asker, [=, this] { return harts.state(asker, target); });
    }
    for (auto& state : states)
      ASSERT_EQ(state.get(), HsmState::kStarted) << round;
  }
}

TEST_F(HartStatesTest, TheEndOfTheMachineEndsTheWaiting) {
  std::promise<void> leave = hold(kHart1);
  auto asked = begin_call(kHart0, [this] { return harts.start(kHart0, kHart1, kEntry); });
  posts.acquire();
  harts.end();
  EXPECT_FALSE(asked.get());
  EXPECT_FALSE(stop(kHart0));
  leave.set_value();
}

}  // namespace
}  // namespace rvvmm::hart_states_test

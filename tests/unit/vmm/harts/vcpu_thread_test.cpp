#include "vmm/harts/vcpu_thread.hpp"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <future>

#include "fakes/fake_machine.hpp"
#include "fakes/fake_vcpu.hpp"

namespace rvvmm::vcpu_thread_test {
namespace {

class VcpuThreadTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { VcpuThread::install_kick_handler(); }
  VcpuThread::Parts parts(uint32_t hart = 0) {
    return {.hart = HartId{hart}, .backend = vcpu, .io = io, .listener = listener, .host_cpu = std::nullopt};
  }
  /// The hart's thread rests, and must not enter the guest any more.
  void start_resting(VcpuThread& thread) {
    thread.start();
    thread.pause();
    listener.wait_for_rests(1);
    vcpu.add_step([](VcpuIo&) {
      ADD_FAILURE() << "entered the guest";
      return RunOutcome::kContinue;
    });
  }

  FakeVcpu vcpu;
  IdleIo io;
  RecordingListener listener;
};

TEST_F(VcpuThreadTest, IsNamedAfterItsHart) {
  std::promise<std::string> name;
  vcpu.add_step([&](VcpuIo&) {
    std::array<char, 16> buffer{};
    ::pthread_getname_np(::pthread_self(), buffer.data(), buffer.size());
    name.set_value(buffer.data());
    return RunOutcome::kContinue;
  });
  VcpuThread thread{parts(7)};
  thread.start();
  EXPECT_EQ(name.get_future().get(), "vcpu7");
}

TEST_F(VcpuThreadTest, RunsAPostedTaskOutsideTheGuest) {
  std::promise<void> ran;
  VcpuThread thread{parts()};
  thread.start();
  thread.post([&](VcpuBackend& backend) {
    EXPECT_EQ(&backend, &vcpu);
    ran.set_value();
  });
  ran.get_future().get();
}

TEST_F(VcpuThreadTest, RunsATaskPostedBeforeItsStart) {
  std::promise<void> ran;
  VcpuThread thread{parts()};
  thread.post([&](VcpuBackend&) { ran.set_value(); });
  thread.start();
  ran.get_future().get();
}

TEST_F(VcpuThreadTest, GoesOnAfterTasks) {
  std::promise<void> entered_again;
  VcpuThread thread{parts()};
  thread.start();
  thread.post([&](VcpuBackend&) {
    vcpu.add_step([&](VcpuIo&) {
      entered_again.set_value();
      return RunOutcome::kContinue;
    });
  });
  entered_again.get_future().get();
}

TEST_F(VcpuThreadTest, EveryTaskOfManyThreadsRunsOnce) {
  constexpr int kThreads = 4;
  constexpr int kTasks = 500;
  std::atomic<int> ran = 0;
  std::promise<void> all;
  VcpuThread thread{parts()};
  thread.start();
  {
    std::array<std::jthread, kThreads> posters;
    for (std::jthread& poster : posters) {
      poster = std::jthread{[&] {
        for (int i = 0; i < kTasks; ++i) {
          const auto task = [&](VcpuBackend&) {
            if (++ran == kThreads * kTasks) all.set_value();
          };
          while (!thread.post(task))
            std::this_thread::yield();
        }
      }};
    }
  }
  all.get_future().get();
  EXPECT_EQ(ran, kThreads * kTasks);
}

TEST_F(VcpuThreadTest, MoreTasksThanItComesToAreRefusedAndTheOthersRun) {
  std::atomic<size_t> ran = 0;
  std::promise<void> all;
  VcpuThread thread{parts()};
  const auto task = [&](VcpuBackend&) {
    if (++ran == VcpuThread::kMostTasks) all.set_value();
  };
  for (size_t i = 0; i < VcpuThread::kMostTasks; ++i)
    EXPECT_TRUE(thread.post(task));
  EXPECT_FALSE(thread.post(task));
  thread.start();
  all.get_future().get();
  EXPECT_EQ(ran, VcpuThread::kMostTasks);
}

TEST_F(VcpuThreadTest, StopEndsAHartThatIsInTheGuest) {
  VcpuThread thread{parts()};
  thread.start();
  thread.request_stop();
}

TEST_F(VcpuThreadTest, FaultIsReportedOnceAndTheHartEnds) {
  vcpu.add_step([](VcpuIo&) { return RunOutcome::kFault; });
  vcpu.add_step([](VcpuIo&) -> RunOutcome {
    ADD_FAILURE() << "entered the guest again";
    return RunOutcome::kStop;
  });
  VcpuThread thread{parts()};
  thread.start();
  EXPECT_EQ(listener.wait_for_fault(), "hart 0: pc 0x0: exit unknown\n");
}

TEST_F(VcpuThreadTest, RestsOutsideTheGuestUntilItIsResumed) {
  std::atomic<int> entries = 0;
  VcpuThread thread{parts()};
  thread.start();
  for (int pause = 1; pause <= 100; ++pause) {
    thread.pause();
    listener.wait_for_rests(pause);
    ASSERT_TRUE(thread.rests());
    std::promise<void> entered;
    vcpu.add_step([&](VcpuIo&) {
      ++entries;
      entered.set_value();
      return RunOutcome::kContinue;
    });
    ASSERT_EQ(entries, pause - 1);
    thread.resume();
    entered.get_future().get();
    ASSERT_FALSE(thread.rests());
  }
}

TEST_F(VcpuThreadTest, PausedBeforeItsStartItDoesNotEnterTheGuest) {
  std::promise<void> entered;
  std::atomic<bool> resumed = false;
  vcpu.add_step([&](VcpuIo&) {
    EXPECT_TRUE(resumed);
    entered.set_value();
    return RunOutcome::kContinue;
  });
  VcpuThread thread{parts()};
  thread.pause();
  EXPECT_FALSE(thread.rests());
  thread.start();
  listener.wait_for_rests(1);
  resumed = true;
  thread.resume();
  entered.get_future().get();
}

// A task may leave an exit behind, which run() answers: so it is called once more.
TEST_F(VcpuThreadTest, RunsTasksWhileItRestsAndThenRestsAgain) {
  std::atomic<int> ran = 0;
  VcpuThread thread{parts()};
  start_resting(thread);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(thread.post([&ran](VcpuBackend&) { ++ran; }));
    while (ran <= i || !thread.rests())
      std::this_thread::yield();
  }
}

TEST_F(VcpuThreadTest, StopEndsAHartThatRests) {
  VcpuThread thread{parts()};
  start_resting(thread);
}

TEST_F(VcpuThreadTest, AHartThatHasEndedRests) {
  vcpu.add_step([](VcpuIo&) { return RunOutcome::kStop; });
  VcpuThread thread{parts()};
  thread.start();
  while (!thread.rests())
    std::this_thread::yield();
  thread.pause();
  listener.wait_for_rests(1);
  EXPECT_TRUE(thread.rests());
}

TEST_F(VcpuThreadTest, APauseRightBehindAnotherIsToldOfToo) {
  VcpuThread thread{parts()};
  thread.start();
  for (int pause = 1; pause <= 1000; ++pause) {
    thread.pause();
    listener.wait_for_rests(pause);
    thread.resume();
  }
}

TEST_F(VcpuThreadTest, ManyPausesLoseNoTask) {
  constexpr int kTasks = 2000;
  std::atomic<int> ran = 0;
  VcpuThread thread{parts()};
  thread.start();
  std::jthread pauses{[&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      thread.pause();
      thread.resume();
    }
  }};
  for (int i = 0; i < kTasks; ++i) {
    while (!thread.post([&ran](VcpuBackend&) { ++ran; }))
      std::this_thread::yield();
  }
  while (ran < kTasks)
    std::this_thread::yield();
}

TEST_F(VcpuThreadTest, PostToAnEndedHartIsHarmless) {
  std::promise<void> stopping;
  vcpu.add_step([&](VcpuIo&) {
    stopping.set_value();
    return RunOutcome::kStop;
  });
  VcpuThread thread{parts()};
  thread.start();
  stopping.get_future().get();
  thread.post([](VcpuBackend&) {});
}

}  // namespace
}  // namespace rvvmm::vcpu_thread_test

#include "vmm/host/event_loop.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <thread>

namespace rvvmm::event_loop_test {
namespace {

using std::chrono::nanoseconds;
using Kind = StopReason::Kind;

struct Pipe {
  Pipe() {
    std::array<int, 2> fds{};
    if (::pipe(fds.data()) == 0) {
      reader = Fd{fds[0]};
      writer = Fd{fds[1]};
    }
  }
  void put(char c) const { EXPECT_EQ(::write(writer.get(), &c, 1), 1); }
  char take() const {
    char c = 0;
    EXPECT_EQ(::read(reader.get(), &c, 1), 1);
    return c;
  }
  Fd reader;
  Fd writer;
};

nanoseconds now(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds{time.tv_sec} + nanoseconds{time.tv_nsec};
}

TEST(EventLoop, StopBeforeRunIsNotLost) {
  EventLoop loop;
  loop.stop({.kind = Kind::kExit, .status = 7});
  EXPECT_EQ(loop.run(), (StopReason{.kind = Kind::kExit, .status = 7}));
}

TEST(EventLoop, ServesWhatIsReadyAndWaitsForNothing) {
  EventLoop loop;
  const Pipe pipe;
  std::string read;
  EventLoop::Watch watch(loop, pipe.reader.get(), [&] {
    read += pipe.take();
    if (read == "ab") loop.stop({.status = 3});
  });
  EXPECT_FALSE(loop.serve());
  pipe.put('a');
  EXPECT_FALSE(loop.serve());
  pipe.put('b');
  EXPECT_TRUE(loop.serve());
  pipe.put('c');
  EXPECT_TRUE(loop.serve());
  EXPECT_EQ(read, "ab") << "what is told to stop serves nobody any more";
  EXPECT_EQ(loop.run().status, 3);
}

// A guest that resets before the loop has looked at anything, each time anew.
TEST(EventLoop, WhatWaitsIsServedBeforeAResetThatIsDue) {
  EventLoop loop;
  const Pipe pipe;
  EventLoop::Watch watch(loop, pipe.reader.get(), [&] {
    pipe.take();
    loop.stop({.status = 3});
  });
  pipe.put('a');
  loop.stop({.kind = Kind::kReset});
  EXPECT_EQ(loop.run(), (StopReason{.kind = Kind::kExit, .status = 3}));
}

TEST(EventLoop, FirstReasonWins) {
  EventLoop loop;
  loop.stop({.kind = Kind::kExit, .status = 9});
  loop.stop({.kind = Kind::kExit, .status = 10});
  loop.stop({.kind = Kind::kReset});
  EXPECT_EQ(loop.run(), (StopReason{.kind = Kind::kExit, .status = 9}));
}

TEST(EventLoop, TheEndComesBeforeAResetThatIsDue) {
  EventLoop loop;
  loop.stop({.kind = Kind::kReset});
  loop.stop({.kind = Kind::kExit, .status = 9});
  EXPECT_EQ(loop.run(), (StopReason{.kind = Kind::kExit, .status = 9}));
}

TEST(EventLoop, RunsAgainAfterAReset) {
  EventLoop loop;
  loop.stop({.kind = Kind::kReset});
  EXPECT_EQ(loop.run().kind, Kind::kReset);
  Timer timer(loop, CLOCK_MONOTONIC, [&] { loop.stop({.status = 3}); });
  timer.arm_at(nanoseconds{0});
  EXPECT_EQ(loop.run().status, 3);
}

TEST(EventLoop, StopFromAnotherThreadWakesIt) {
  EventLoop loop;
  std::jthread other([&] { loop.stop({.status = 5}); });
  EXPECT_EQ(loop.run().status, 5);
}

TEST(EventLoop, CallsBackWhileReadable) {
  EventLoop loop;
  const Pipe pipe;
  std::string seen;
  EventLoop::Watch watch(loop, pipe.reader.get(), [&] {
    seen += pipe.take();
    if (seen.size() == 2) loop.stop({});
  });
  pipe.put('a');
  pipe.put('b');
  loop.run();
  EXPECT_EQ(seen, "ab");
}

TEST(EventLoop, HangUpCallsBack) {
  EventLoop loop;
  Pipe pipe;
  pipe.writer.reset();
  EventLoop::Watch watch(loop, pipe.reader.get(), [&] { loop.stop({.status = 1}); });
  EXPECT_EQ(loop.run().status, 1);
}

TEST(EventLoop, DisabledWatchStaysSilent) {
  EventLoop loop;
  const Pipe silent;
  const Pipe heard;
  bool called = false;
  EventLoop::Watch first(loop, silent.reader.get(), [&] { called = true; });
  first.set_enabled(false);
  EventLoop::Watch second(loop, heard.reader.get(), [&] { loop.stop({}); });
  silent.put('x');
  heard.put('x');
  loop.run();
  EXPECT_FALSE(called);
}

TEST(EventLoop, CallbackMayDisableAnotherInTheSameRound) {
  EventLoop loop;
  const Pipe one;
  const Pipe two;
  bool called = false;
  std::unique_ptr<EventLoop::Watch> victim;
  EventLoop::Watch first(loop, one.reader.get(), [&] {
    victim->set_enabled(false);
    loop.stop({});
  });
  victim = std::make_unique<EventLoop::Watch>(loop, two.reader.get(), [&] { called = true; });
  one.put('x');
  two.put('x');
  loop.run();
  EXPECT_FALSE(called);
}

TEST(EventLoop, CallbackMayDestroyAnotherAndAddOne) {
  EventLoop loop;
  const Pipe one;
  const Pipe two;
  bool destroyed_called = false;
  std::unique_ptr<EventLoop::Watch> victim;
  std::unique_ptr<EventLoop::Watch> added;
  EventLoop::Watch first(loop, one.reader.get(), [&] {
    one.take();
    victim.reset();
    added = std::make_unique<EventLoop::Watch>(loop, two.reader.get(), [&] { loop.stop({.status = 4}); });
  });
  victim = std::make_unique<EventLoop::Watch>(loop, two.reader.get(), [&] { destroyed_called = true; });
  one.put('x');
  two.put('x');
  EXPECT_EQ(loop.run().status, 4);
  EXPECT_FALSE(destroyed_called);
}

TEST(Timer, TimeThatHasPassedExpiresNow) {
  EventLoop loop;
  Timer timer(loop, CLOCK_REALTIME, [&] { loop.stop({.status = 1}); });
  timer.arm_at(nanoseconds{-5});
  EXPECT_EQ(loop.run().status, 1);
}

TEST(Timer, AbsoluteTimeIsNotEarly) {
  EventLoop loop;
  const nanoseconds deadline = now(CLOCK_REALTIME) + std::chrono::milliseconds{5};
  Timer timer(loop, CLOCK_REALTIME, [&] { loop.stop({}); });
  timer.arm_at(deadline);
  loop.run();
  EXPECT_GE(now(CLOCK_REALTIME), deadline);
}

TEST(Timer, PeriodicTimerGoesOnUntilDisarmed) {
  EventLoop loop;
  int ticks = 0;
  Timer after(loop, CLOCK_MONOTONIC, [&] { loop.stop({}); });
  Timer* self = nullptr;
  Timer timer(loop, CLOCK_MONOTONIC, [&] {
    if (++ticks < 3) return;
    self->disarm();
    after.arm_at(now(CLOCK_MONOTONIC) + std::chrono::milliseconds{10});
  });
  self = &timer;
  timer.arm_every(std::chrono::milliseconds{1});
  loop.run();
  EXPECT_EQ(ticks, 3);
}

TEST(Timer, ArmingAgainReplaces) {
  EventLoop loop;
  int calls = 0;
  Timer timer(loop, CLOCK_MONOTONIC, [&] {
    ++calls;
    loop.stop({});
  });
  timer.arm_at(now(CLOCK_MONOTONIC) + std::chrono::hours{1});
  timer.arm_at(nanoseconds{0});
  loop.run();
  EXPECT_EQ(calls, 1);
}

TEST(Timer, WithoutADescriptorOfTheHostIsTriedAgain) {
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "UBSan itself opens a pipe to check an object, and ends a process that has no descriptor for it";
#endif
#endif
  EventLoop loop;
  Timer timer(loop, CLOCK_MONOTONIC, [&] { loop.stop({.status = 4}); });
  ::testing::internal::CaptureStderr();
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const int free = ::dup(STDERR_FILENO);
  ASSERT_GE(free, 0);
  ::close(free);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(free), .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  timer.arm_at(nanoseconds{0});
  EXPECT_FALSE(loop.serve());
  std::jthread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    ::setrlimit(RLIMIT_NOFILE, &before);
  });
  EXPECT_EQ(loop.run(), (StopReason{.status = 4}));
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("timerfd_create for the event loop: Too many open files"),
            std::string::npos);
}

TEST(Timer, MayBeArmedByAnotherThread) {
  EventLoop loop;
  Timer timer(loop, CLOCK_MONOTONIC, [&] { loop.stop({.status = 2}); });
  std::jthread other([&] { timer.arm_at(nanoseconds{0}); });
  EXPECT_EQ(loop.run().status, 2);
}

TEST(Notifier, RunsOnTheLoopsThread) {
  EventLoop loop;
  std::thread::id where;
  Notifier notifier(loop, [&] {
    where = std::this_thread::get_id();
    loop.stop({});
  });
  std::jthread other([&] { notifier.notify(); });
  loop.run();
  EXPECT_EQ(where, std::this_thread::get_id());
}

TEST(Notifier, ManyNotificationsAreSeenAtLeastOnceAfterTheLast) {
  EventLoop loop;
  std::atomic<int> produced = 0;
  int consumed = 0;
  Notifier notifier(loop, [&] {
    consumed = produced.load();
    if (consumed == 10'000) loop.stop({});
  });
  std::jthread other([&] {
    for (int i = 0; i < 10'000; ++i) {
      produced.fetch_add(1);
      notifier.notify();
    }
  });
  loop.run();
  EXPECT_EQ(consumed, 10'000);
}

}  // namespace
}  // namespace rvvmm::event_loop_test

#include "vmm/console/console_hub.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <format>
#include <optional>
#include <string>
#include <thread>

#include "base/fd.hpp"
#include "base/kick_signal.hpp"

namespace rvvmm::console_hub_test {
namespace {

using ::testing::HasSubstr;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text});
}

/// A hub that writes into a pipe whose reader the test plays. Its kick is blocked as in the real process.
class ConsoleOutput : public ::testing::Test {
 protected:
  ConsoleOutput() {
    sigset_t kick;
    ::sigemptyset(&kick);
    ::sigaddset(&kick, kKickSignal);
    ::pthread_sigmask(SIG_BLOCK, &kick, nullptr);
    int fds[2] = {-1, -1};
    EXPECT_EQ(::pipe(fds), 0);
    reader_ = Fd{fds[0]};
    writer_ = Fd{fds[1]};
  }

  /// One read: what one write of the hub brought, where the writes are apart.
  std::string take_chunk() const {
    std::string chunk(64_KiB, '\0');
    const ssize_t got = ::read(reader_.get(), chunk.data(), chunk.size());
    chunk.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return chunk;
  }
  std::string take(size_t count) const {
    std::string all;
    while (all.size() < count) {
      const std::string chunk = take_chunk();
      if (chunk.empty()) break;
      all += chunk;
    }
    return all;
  }
  /// Fills the pipe, so that the next write blocks.
  void stuff_pipe() const {
    const int flags = ::fcntl(writer_.get(), F_GETFL);
    ::fcntl(writer_.get(), F_SETFL, flags | O_NONBLOCK);
    const std::string block(4_KiB, '.');
    while (::write(writer_.get(), block.data(), block.size()) > 0)
      continue;
    ::fcntl(writer_.get(), F_SETFL, flags);
  }

  Fd reader_;
  Fd writer_;
};

std::string numbered(size_t count) {
  std::string text;
  for (size_t i = 0; text.size() < count; ++i)
    text += std::to_string(i) + "\n";
  text.resize(count);
  return text;
}

// A stack that no address space holds, as where a limit of threads is reached: EAGAIN.
TEST_F(ConsoleOutput, WhereThereIsNoThreadForItIsAnError) {
  pthread_attr_t before;
  pthread_attr_t huge;
  ::pthread_getattr_default_np(&before);
  ::pthread_getattr_default_np(&huge);
  ::pthread_attr_setstacksize(&huge, size_t{1} << 47);
  int calls = 0;
  ConsoleHub hub{writer_.get()};
  hub.start({}, [&calls] { ++calls; });
  EXPECT_FALSE(hub.no_thread());
  ::pthread_setattr_default_np(&huge);
  hub.write(bytes_of("lost"));
  ::pthread_setattr_default_np(&before);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(hub.no_thread(), std::optional<std::string>{"Resource temporarily unavailable"});
  hub.write(bytes_of(numbered(3 * ConsoleHub::kOutputCapacity)));  // holds nobody
}

TEST_F(ConsoleOutput, BytesComeOutInOrderAndWhole) {
  ConsoleHub hub(writer_.get());
  hub.start();
  const std::string text = numbered(1_MiB);
  std::jthread hart([&] {
    for (size_t at = 0; at < text.size(); at += 7)
      hub.write(bytes_of(std::string_view{text}.substr(at, 7)));
  });
  EXPECT_EQ(take(text.size()), text);
}

TEST_F(ConsoleOutput, SingleBytesLeaveInBatches) {
  ConsoleHub hub(writer_.get());
  const std::string text = numbered(4_KiB);
  for (const char c : text)
    hub.write(bytes_of({&c, 1}));  // gathered before the thread looks for the first time
  hub.start();
  EXPECT_EQ(take_chunk(), text);
}

TEST_F(ConsoleOutput, OneWriteLargerThanTheBufferComesOutWhole) {
  ConsoleHub hub(writer_.get());
  hub.start();
  const std::string text = numbered(ConsoleHub::kOutputCapacity * 3 + 1);
  std::jthread hart([&] { hub.write(bytes_of(text)); });
  EXPECT_EQ(take(text.size()), text);
}

TEST_F(ConsoleOutput, TheLastOfItIsKeptWhetherItIsReadOrNot) {
  ConsoleHub hub{writer_.get()};
  hub.start();
  hub.write(bytes_of("one\n"));
  EXPECT_TRUE(hub.flush());
  hub.write(bytes_of("two\n"));
  EXPECT_EQ(hub.last_output(), "one\ntwo\n");
  hub.write(bytes_of(std::string(ConsoleHub::kOutputCapacity, 'x')));
  hub.write(bytes_of("end"));
  EXPECT_EQ(hub.last_output(), std::string(ConsoleTail::kCapacity - 3, 'x') + "end");
  hub.stop();
}

TEST_F(ConsoleOutput, WhoListensGetsAllThatIsTaken) {
  std::string heard;
  const auto listen = [&heard](std::span<const std::byte> output) {
    for (const std::byte byte : output)
      heard += static_cast<char>(byte);
  };
  ConsoleHub nobodys{-1, ConsoleHub::Reader::kNever};
  nobodys.set_on_output(listen);
  nobodys.write(bytes_of("one "));
  EXPECT_EQ(nobodys.try_write(bytes_of("two ")), 4U);
  EXPECT_EQ(nobodys.last_output(), "one two ");
  ConsoleHub hub{writer_.get()};  // not started: what is in the buffer stays there
  hub.set_on_output(listen);
  hub.write(bytes_of("three"));
  EXPECT_EQ(heard, "one two three");
  const std::string much(2 * ConsoleHub::kOutputCapacity, 'x');
  EXPECT_LT(hub.try_write(bytes_of(much)), much.size());
  EXPECT_EQ(heard, "one two three") << "what was not taken comes again";
}

TEST_F(ConsoleOutput, EmptyWriteIsNothing) {
  ConsoleHub hub(writer_.get());
  hub.start();
  hub.write({});
  EXPECT_TRUE(hub.flush());
}

TEST_F(ConsoleOutput, FlushReturnsWhenAllIsOut) {
  ConsoleHub hub(writer_.get());
  hub.start();
  hub.write(bytes_of("hello"));
  EXPECT_TRUE(hub.flush());
  pollfd readable{.fd = reader_.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&readable, 1, 0), 1);
  EXPECT_EQ(take_chunk(), "hello");
}

TEST_F(ConsoleOutput, FlushIsNotHeldUpByAHartThatWritesOn) {
  ConsoleHub hub(writer_.get());
  hub.start();
  std::jthread reader([&] {
    while (!take_chunk().empty())
      continue;
  });
  std::atomic<bool> done = false;
  std::jthread hart([&] {
    while (!done)
      hub.write(bytes_of("more"));
  });
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(hub.flush());
  done = true;
  hart.join();
  hub.flush();
  hub.stop();
  writer_.reset();
}

TEST_F(ConsoleOutput, DestructorWritesWhatIsLeft) {
  {
    ConsoleHub hub(writer_.get());
    hub.start();
    hub.write(bytes_of("last words"));
  }
  EXPECT_EQ(take_chunk(), "last words");
}

TEST_F(ConsoleOutput, HubThatNeverStartedEnds) {
  ConsoleHub hub(writer_.get());
  hub.write(bytes_of("x"));
  EXPECT_FALSE(hub.flush());
}

TEST_F(ConsoleOutput, StopReleasesAHartBehindAStuckReader) {
  stuff_pipe();
  ConsoleHub hub(writer_.get());
  hub.start();
  std::atomic<size_t> accepted = 0;
  std::jthread hart([&] {
    const std::string block(1_KiB, 'x');
    while (accepted < 64) {  // more than all buffers hold
      hub.write(bytes_of(block));
      ++accepted;
    }
  });
  while (accepted < 32)
    std::this_thread::yield();  // one buffer in write(2), one full
  hub.stop();
  hart.join();
  EXPECT_EQ(accepted, 64U);
}

TEST_F(ConsoleOutput, LimitedWaitDropsWhatAStuckReaderLeaves) {
  stuff_pipe();
  ConsoleHub hub(writer_.get());
  hub.start();
  hub.limit_waits(true);
  ::testing::internal::CaptureStderr();
  hub.write(bytes_of(std::string(ConsoleHub::kOutputCapacity * 3, 'x')));  // returns
  hub.stop();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr(std::format("its reader did not take {} bytes in time; they are lost\n",
                                    ConsoleHub::kOutputCapacity * 3)));
}

TEST_F(ConsoleOutput, FlushGivesUpOnAStuckReader) {
  stuff_pipe();
  ConsoleHub hub(writer_.get());
  hub.start();
  hub.write(bytes_of("x"));
  EXPECT_FALSE(hub.flush());
  hub.stop();
}

TEST_F(ConsoleOutput, InAPauseNobodyWaitsForTheReaderAndNothingIsLost) {
  stuff_pipe();
  ConsoleHub hub(writer_.get());
  hub.start();
  const std::string text = numbered(256_KiB);
  const std::string_view all = text;
  std::jthread hart([&] { hub.write(bytes_of(all.substr(0, 128_KiB))); });
  while (!hub.writer_waits())
    std::this_thread::yield();
  hub.set_paused(true);
  hart.join();
  hub.write(bytes_of(all.substr(128_KiB, 1)));
  hub.write(bytes_of(all.substr(128_KiB + 1, 64_KiB)));
  EXPECT_EQ(hub.try_write(bytes_of("x")), 0U);
  EXPECT_EQ(hub.last_output(), all.substr(192_KiB + 1 - ConsoleTail::kCapacity, ConsoleTail::kCapacity));
  hub.set_paused(false);
  hart = std::jthread{[&] { hub.write(bytes_of(all.substr(192_KiB + 1))); }};
  EXPECT_EQ(take(64_KiB + text.size()).substr(64_KiB), text);
}

TEST_F(ConsoleOutput, WhatAPauseKeptAndNobodyReadIsCountedAsLost) {
  stuff_pipe();
  ConsoleHub hub(writer_.get());
  hub.start();
  hub.set_paused(true);
  hub.write(bytes_of(std::string(ConsoleHub::kOutputCapacity * 3, 'x')));
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(hub.flush());
  hub.stop();
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr(std::format("its reader did not take {} bytes in time; they are lost\n",
                                    ConsoleHub::kOutputCapacity * 3)));
}

TEST_F(ConsoleOutput, BackPressureLosesNothing) {
  stuff_pipe();
  ConsoleHub hub(writer_.get());
  hub.start();
  const std::string text = numbered(256_KiB);
  std::jthread hart([&] { hub.write(bytes_of(text)); });
  const std::string all = take(64_KiB + text.size());
  EXPECT_EQ(all.substr(64_KiB), text);
}

TEST_F(ConsoleOutput, ReaderWhoLeftCostsTheGuestNothing) {
  reader_.reset();
  ConsoleHub hub(writer_.get());
  hub.start();
  const std::string text = numbered(256_KiB);
  hub.write(bytes_of(text));
  EXPECT_TRUE(hub.flush());
}

TEST_F(ConsoleOutput, ClosedDescriptorIsNoCrash) {
  ConsoleHub hub(-1);
  hub.start();
  hub.write(bytes_of("x"));
  EXPECT_TRUE(hub.flush());
}

TEST_F(ConsoleOutput, NonBlockingDescriptorIsWaitedForAndStaysSo) {
  stuff_pipe();
  ::fcntl(writer_.get(), F_SETFL, ::fcntl(writer_.get(), F_GETFL) | O_NONBLOCK);
  ConsoleHub hub(writer_.get());
  hub.start();
  const std::string text = numbered(128_KiB);
  std::jthread hart([&] { hub.write(bytes_of(text)); });
  EXPECT_EQ(take(64_KiB + text.size()).substr(64_KiB), text);
  EXPECT_NE(::fcntl(writer_.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(ConsoleOutput, StopEndsAWaitForANonBlockingDescriptor) {
  stuff_pipe();
  ::fcntl(writer_.get(), F_SETFL, ::fcntl(writer_.get(), F_GETFL) | O_NONBLOCK);
  ConsoleHub hub(writer_.get());
  hub.start();
  hub.write(bytes_of(std::string(ConsoleHub::kOutputCapacity, 'x')));
  hub.stop();
}

TEST_F(ConsoleOutput, StopTwiceAndWritesAfterItAreHarmless) {
  ConsoleHub hub(writer_.get());
  hub.start();
  hub.stop();
  hub.stop();
  hub.write(bytes_of("dropped"));
  EXPECT_TRUE(hub.flush());
}

TEST_F(ConsoleOutput, HartsDoNotTearEachOthersWrites) {
  ConsoleHub hub(writer_.get());
  hub.start();
  constexpr size_t kLines = 500;
  constexpr size_t kLength = 3'000;  // the buffer's end comes amid a line
  const std::array<std::string, 2> lines{std::string(kLength, 'a'), std::string(kLength, 'b')};
  const auto hart = [&](const std::string& line) {
    for (size_t i = 0; i < kLines; ++i)
      hub.write(bytes_of(line));
  };
  std::jthread one(hart, lines[0]);
  std::jthread two(hart, lines[1]);
  const std::string all = take(2 * kLines * kLength);
  size_t torn = 0;
  for (size_t at = 0; at < all.size(); at += kLength) {
    const std::string line = all.substr(at, kLength);
    torn += line == lines[0] || line == lines[1] ? 0 : 1;
  }
  EXPECT_EQ(torn, 0U);
}

// A socket that keeps each write(2) apart from the next.
TEST_F(ConsoleOutput, AWriteThatTheFullBufferCannotTakeLeavesInOnePiece) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
  reader_ = Fd{ends[0]};
  const Fd output{ends[1]};
  for (int round = 0; round < 20; ++round) {
    ConsoleHub hub(output.get());
    const std::string small = numbered(ConsoleHub::kOutputCapacity - 1);
    hub.write(bytes_of(small));
    const std::string large = numbered(4_KiB);
    std::jthread hart([&] { hub.write(bytes_of(large)); });
    hub.start();
    EXPECT_EQ(take_chunk(), small);
    EXPECT_EQ(take_chunk(), large);
  }
}

TEST_F(ConsoleOutput, TryWriteTakesWhatThereIsRoomForAndTellsOfMore) {
  stuff_pipe();
  ConsoleHub hub(writer_.get());
  std::atomic<int> rooms = 0;
  hub.set_on_output_room([&] { ++rooms; });
  hub.start();
  const std::string text = numbered(60_KiB);  // what the pipe holds, once it is empty
  size_t taken = hub.try_write(bytes_of(text));
  EXPECT_EQ(taken, ConsoleHub::kOutputCapacity);
  std::string all = take(64_KiB);
  while (taken < text.size()) {
    const int before = rooms;
    const size_t more = hub.try_write(bytes_of(text).subspan(taken));
    taken += more;
    while (more == 0 && rooms == before)
      std::this_thread::yield();
  }
  all += take(64_KiB + text.size() - all.size());
  EXPECT_TRUE(all.substr(64_KiB) == text);
  EXPECT_GT(rooms, 0);
}

TEST_F(ConsoleOutput, TryWriteDoesNotCutWhatOneWriteCanTake) {
  stuff_pipe();
  ConsoleHub hub(writer_.get());
  hub.write(bytes_of(std::string(ConsoleHub::kOutputCapacity - 1, 'x')));
  EXPECT_EQ(hub.try_write(bytes_of("ab")), 0U);
  EXPECT_EQ(hub.try_write(bytes_of("a")), 1U);
}

TEST_F(ConsoleOutput, TryWriteNeverWaitsForAHubThatHasEnded) {
  ConsoleHub hub(writer_.get());
  hub.start();
  hub.stop();
  const std::string text = numbered(100_KiB);
  EXPECT_EQ(hub.try_write(bytes_of(text)), text.size());
}

TEST_F(ConsoleOutput, AReaderWhoComesAndGoesIsFoundAgain) {
  ConsoleHub hub(writer_.get(), ConsoleHub::Reader::kComesAndGoes);
  hub.start();
  Fd nobody{::open("/dev/null", O_RDONLY)};  // write(2) to it fails
  const Fd pipe{::dup(writer_.get())};
  ASSERT_EQ(::dup2(nobody.get(), writer_.get()), writer_.get());
  hub.write(bytes_of("lost"));
  EXPECT_TRUE(hub.flush());
  ASSERT_EQ(::dup2(pipe.get(), writer_.get()), writer_.get());
  hub.write(bytes_of("heard"));
  EXPECT_EQ(take_chunk(), "heard");
}

class CountingListener : public ConsoleListener {
 public:
  void on_console_input() noexcept override { ++calls; }
  int calls = 0;
};

std::string read_all(ConsoleHub& hub, size_t at_most = 64_KiB) {
  std::string out(at_most, '\0');
  out.resize(hub.read(std::as_writable_bytes(std::span{out})));
  return out;
}

TEST(ConsoleInput, ListenersHearOfInputWhenThePauseEnds) {
  ConsoleHub hub(-1);
  CountingListener listener;
  hub.set_listeners({&listener});
  hub.set_paused(true);
  EXPECT_EQ(hub.queue_input(bytes_of("abc")), 3U);
  EXPECT_EQ(listener.calls, 0);
  hub.set_paused(false);
  EXPECT_EQ(listener.calls, 1);
  hub.set_paused(true);
  std::array<std::byte, 8> out{};
  EXPECT_EQ(hub.read(out), 3U);
  hub.set_paused(false);
  EXPECT_EQ(listener.calls, 1) << "nothing waits";
}

TEST(ConsoleInput, EmptyRingReadsNothing) {
  ConsoleHub hub(-1);
  EXPECT_EQ(read_all(hub), "");
  EXPECT_EQ(hub.input_room(), ConsoleHub::kInputCapacity);
}

TEST(ConsoleInput, BytesComeBackInOrderAcrossTheWrap) {
  ConsoleHub hub(-1);
  const std::string text = numbered(3'000);
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(hub.queue_input(bytes_of(text)), text.size());
    EXPECT_EQ(read_all(hub), text);
  }
}

TEST(ConsoleInput, ListenersAreToldAfterBytesAreThere) {
  ConsoleHub hub(-1);
  CountingListener one;
  CountingListener two;
  hub.set_listeners({&one, &two});
  hub.queue_input(bytes_of("x"));
  hub.queue_input({});
  EXPECT_EQ(one.calls, 1);
  EXPECT_EQ(two.calls, 1);
}

TEST(ConsoleInput, FullRingTakesNoMore) {
  ConsoleHub hub(-1);
  const std::string text = numbered(ConsoleHub::kInputCapacity + 1);
  EXPECT_EQ(hub.queue_input(bytes_of(text)), ConsoleHub::kInputCapacity);
  EXPECT_EQ(hub.input_room(), 0U);
  EXPECT_EQ(hub.queue_input(bytes_of("x")), 0U);
  EXPECT_EQ(read_all(hub), text.substr(0, ConsoleHub::kInputCapacity));
}

TEST(ConsoleInput, RoomIsToldOnceWhenHalfIsRead) {
  ConsoleHub hub(-1);
  int told = 0;
  hub.set_on_input_room([&] { ++told; });
  hub.queue_input(bytes_of(std::string(ConsoleHub::kInputCapacity, 'x')));
  read_all(hub, ConsoleHub::kInputCapacity / 2 - 1);
  EXPECT_EQ(told, 0);
  read_all(hub, 1);
  EXPECT_EQ(told, 1);
  read_all(hub);
  EXPECT_EQ(told, 1);
}

TEST(ConsoleInput, RingThatWasNotFullTellsNobody) {
  ConsoleHub hub(-1);
  int told = 0;
  hub.set_on_input_room([&] { ++told; });
  hub.queue_input(bytes_of(std::string(ConsoleHub::kInputCapacity - 1, 'x')));
  read_all(hub);
  EXPECT_EQ(told, 0);
}

}  // namespace
}  // namespace rvvmm::console_hub_test

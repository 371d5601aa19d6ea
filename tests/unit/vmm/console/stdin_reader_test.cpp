#include "vmm/console/stdin_reader.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "fakes/pty.hpp"
#include "pattern.hpp"

namespace rvvmm::stdin_reader_test {
namespace {

/// Ends the loop once the guest holds as many bytes as the test wants.
class GuestReader : public ConsoleListener {
 public:
  GuestReader(ConsoleHub& hub, EventLoop& loop, size_t wanted) : hub_(hub), loop_(loop), wanted_(wanted) {}
  void on_console_input() noexcept override {
    std::array<std::byte, 100> buffer{};
    for (size_t got = hub_.read(buffer); got > 0; got = hub_.read(buffer)) {
      seen.append(reinterpret_cast<const char*>(buffer.data()), got);
    }
    if (seen.size() >= wanted_) loop_.stop({.status = 1});
  }
  std::string seen;

 private:
  ConsoleHub& hub_;
  EventLoop& loop_;
  size_t wanted_;
};

struct Pipe {
  Pipe() {
    int fds[2] = {-1, -1};
    EXPECT_EQ(::pipe(fds), 0);
    reader = Fd{fds[0]};
    writer = Fd{fds[1]};
  }
  Fd reader;
  Fd writer;
};

void put(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    ASSERT_GT(written, 0);
    text.remove_prefix(static_cast<size_t>(written));
  }
}

TEST(StdinReader, PipeIsBinaryClean) {
  Pipe pipe;
  EventLoop loop;
  Terminal terminal(pipe.reader.get());
  ConsoleHub hub(-1);
  const std::string text = "\x01x\x03\x04" + pattern(1'000);
  GuestReader guest(hub, loop, text.size());
  hub.set_listeners({&guest});
  StdinReader reader(pipe.reader.get(), {.loop = loop, .terminal = terminal, .console = hub});
  put(pipe.writer.get(), text);
  EXPECT_EQ(loop.run().status, 1);
  EXPECT_EQ(guest.seen, text);
}

TEST(StdinReader, SlowGuestGetsAMegabyteWhole) {
  Pipe pipe;
  EventLoop loop;
  Terminal terminal(pipe.reader.get());
  ConsoleHub hub(-1);
  StdinReader reader(pipe.reader.get(), {.loop = loop, .terminal = terminal, .console = hub});
  const std::string text = pattern(1_MiB);
  std::jthread typist([&] { put(pipe.writer.get(), text); });
  std::string seen;
  std::jthread hart([&] {
    std::array<std::byte, 17> buffer{};
    while (seen.size() < text.size()) {
      const size_t got = hub.read(buffer);
      seen.append(reinterpret_cast<const char*>(buffer.data()), got);
      if (got == 0) std::this_thread::yield();
    }
    loop.stop({});
  });
  loop.run();
  EXPECT_TRUE(seen == text);
}

/// Runs the loop until `fd` has been at its end for a while of rounds, and returns how often it was looked at.
int rounds_after_end(int fd) {
  EventLoop loop;
  Terminal terminal(fd);
  terminal.enter_raw();
  ConsoleHub hub(-1);
  StdinReader reader(fd, {.loop = loop, .terminal = terminal, .console = hub});
  int rounds = 0;
  Timer timer(loop, CLOCK_MONOTONIC, [&] {
    if (++rounds == 3) loop.stop({.status = 2});
  });
  timer.arm_every(std::chrono::milliseconds{1});
  EXPECT_EQ(loop.run().status, 2);
  timespec spent{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return rounds;
}

class Taker final : public InputTaker {
 public:
  explicit Taker(EventLoop& loop) : loop_(loop) {}
  bool takes_input() const noexcept override { return wants_; }
  void take(std::span<const std::byte> bytes) override {
    seen.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    want(seen.size() < 3);
    if (!wants_) loop_.stop({.status = 3});
  }
  void on_end_of_input() override { loop_.stop({.status = 4}); }
  void set_on_wanted(std::function<void()> on_wanted) override { on_wanted_ = std::move(on_wanted); }
  void want(bool wants) {
    wants_ = wants;
    on_wanted_();
  }
  std::string seen;

 private:
  EventLoop& loop_;
  std::function<void()> on_wanted_ = [] {};
  bool wants_ = false;
};

// Also where the guest takes nothing, and the reader has stopped to look.
TEST(StdinReader, SomebodyElseMayTakeInputForAWhile) {
  Pipe pipe;
  EventLoop loop;
  Terminal terminal(pipe.reader.get());
  ConsoleHub hub(-1);
  Taker taker(loop);
  StdinReader reader(pipe.reader.get(), {.loop = loop, .terminal = terminal, .console = hub, .taker = &taker});
  put(pipe.writer.get(), pattern(ConsoleHub::kInputCapacity));
  Timer full(loop, CLOCK_MONOTONIC, [&] {
    if (hub.input_room() == 0) loop.stop({.status = 2});
  });
  full.arm_every(std::chrono::milliseconds{1});
  ASSERT_EQ(loop.run().status, 2);
  full.disarm();
  taker.want(true);
  put(pipe.writer.get(), "c\x01\n");
  EXPECT_EQ(loop.run().status, 3);
  EXPECT_EQ(taker.seen, "c\x01\n");
  taker.want(true);
  taker.seen.clear();
  pipe.writer.reset();
  EXPECT_EQ(loop.run().status, 4);
}

TEST(StdinReader, EndOfInputLeavesTheLoopRunning) {
  Pipe pipe;
  pipe.writer.reset();
  EXPECT_EQ(rounds_after_end(pipe.reader.get()), 3);
  const Fd null{::open("/dev/null", O_RDWR)};
  EXPECT_EQ(rounds_after_end(null.get()), 3);
  EXPECT_EQ(rounds_after_end(1'000), 3);  // not open
}

TEST(StdinReader, EndOfInputIsNotPolledAgain) {
  Pipe pipe;
  EventLoop loop;
  Terminal terminal(pipe.reader.get());
  ConsoleHub hub(-1);
  StdinReader reader(pipe.reader.get(), {.loop = loop, .terminal = terminal, .console = hub});
  EventLoop::Watch counter(loop, pipe.reader.get(), [&] {
    static int seen = 0;
    if (++seen == 2) loop.stop({});
  });
  pipe.writer.reset();
  loop.run();  // the end was read in the first round
  counter.set_enabled(false);
  Timer timer(loop, CLOCK_MONOTONIC, [&] { loop.stop({.status = 3}); });
  const auto cpu = [] {
    timespec time{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
  };
  const auto before = cpu();
  timer.arm_every(std::chrono::milliseconds{100});
  EXPECT_EQ(loop.run().status, 3);
  EXPECT_LT(cpu() - before, std::chrono::milliseconds{50});  // a loop that spins takes all of the 100
}

TEST(StdinReader, RegularFileIsReadToItsEnd) {
  const std::string path = ::testing::TempDir() + "rvvmm-stdin-" + std::to_string(::getpid());
  const std::string text = pattern(10'000);
  std::ofstream(path, std::ios::binary) << text;
  const Fd file{::open(path.c_str(), O_RDONLY)};
  EventLoop loop;
  Terminal terminal(file.get());
  ConsoleHub hub(-1);
  GuestReader guest(hub, loop, text.size());
  hub.set_listeners({&guest});
  StdinReader reader(file.get(), {.loop = loop, .terminal = terminal, .console = hub});
  loop.run();
  EXPECT_EQ(guest.seen, text);
  std::filesystem::remove(path);
}

TEST(StdinReader, EscapeKeysQuitOnATerminal) {
  const Pty pty;
  EventLoop loop;
  Terminal terminal(pty.tty.get());
  terminal.enter_raw();
  ConsoleHub hub(-1);
  GuestReader guest(hub, loop, 100);
  hub.set_listeners({&guest});
  StdinReader reader(pty.tty.get(), {.loop = loop, .terminal = terminal, .console = hub});
  put(pty.user.get(), "a\x03\x01\x01\x01x");
  EXPECT_EQ(loop.run(), StopReason{});
  EXPECT_EQ(guest.seen, "a\x03\x01");
}

// A guest that hangs, and a user who pasted more than it took.
TEST(StdinReader, EscapeKeysQuitWhileTheGuestTakesNothing) {
  const Pty pty;
  EventLoop loop;
  Terminal terminal(pty.tty.get());
  terminal.enter_raw();
  ConsoleHub hub(-1);
  StdinReader reader(pty.tty.get(), {.loop = loop, .terminal = terminal, .console = hub});
  const std::string pasted(3 * ConsoleHub::kInputCapacity, 'p');
  std::jthread typist([&] { put(pty.user.get(), pasted + "\x01x"); });
  EXPECT_EQ(loop.run(), StopReason{});
  EXPECT_EQ(hub.input_room(), 0U);
}

TEST(StdinReader, BacklogOfATerminalArrivesWholeAndInOrder) {
  const Pty pty;
  EventLoop loop;
  Terminal terminal(pty.tty.get());
  terminal.enter_raw();
  ConsoleHub hub(-1);
  StdinReader reader(pty.tty.get(), {.loop = loop, .terminal = terminal, .console = hub});
  std::string pasted = pattern(2 * StdinReader::kBacklog);
  std::ranges::replace(pasted, '\x01', 'a');
  std::jthread typist([&] { put(pty.user.get(), pasted); });
  std::string seen;
  // The guest wakes up late, and then reads a little at a time.
  std::jthread guest([&] {
    while (hub.input_room() > 0)
      std::this_thread::yield();
    std::array<std::byte, 100> buffer{};
    while (seen.size() < pasted.size())
      seen.append(reinterpret_cast<const char*>(buffer.data()), hub.read(buffer));
    loop.stop({.status = 1});
  });
  EXPECT_EQ(loop.run().status, 1);
  guest.join();
  EXPECT_EQ(seen, pasted);
}

}  // namespace
}  // namespace rvvmm::stdin_reader_test

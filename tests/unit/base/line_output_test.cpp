#include "base/line_output.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <pty.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "base/errno_signals.hpp"
#include "base/fd.hpp"
#include "base/waiting_write.hpp"

namespace rvvmm::line_output_test {
namespace {

using ::testing::EndsWith;

struct Ends {
  Fd reader;
  Fd writer;
};

Ends make_pipe() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  return {Fd{ends[0]}, Fd{ends[1]}};
}
Ends make_fifo() {
  const std::string path = ::testing::TempDir() + "line_output_" + std::to_string(::getpid());
  EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
  Ends ends{.reader = Fd{::open(path.c_str(), O_RDONLY | O_NONBLOCK)}, .writer = Fd{::open(path.c_str(), O_WRONLY)}};
  ::fcntl(ends.reader.get(), F_SETFL, 0);
  ::unlink(path.c_str());
  return ends;
}
Ends make_sockets() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  return {Fd{ends[0]}, Fd{ends[1]}};
}
Ends make_terminal() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(::openpty(&ends[0], &ends[1], nullptr, nullptr, nullptr), 0);
  termios raw{};
  ::tcgetattr(ends[1], &raw);
  ::cfmakeraw(&raw);
  ::tcsetattr(ends[1], TCSANOW, &raw);
  return {Fd{ends[0]}, Fd{ends[1]}};
}

bool has_input(int fd) {
  pollfd ready{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&ready, 1, 20) > 0;
}

/// All that is there.
std::string take_all(const Ends& ends) {
  std::string text;
  std::array<char, 4096> piece;
  while (has_input(ends.reader.get())) {
    const ssize_t got = ::read(ends.reader.get(), piece.data(), piece.size());
    if (got <= 0) break;
    text.append(piece.data(), static_cast<size_t>(got));
  }
  return text;
}

std::string line_of(size_t size) {
  return std::string(size, '.') + "\n";
}

class Reader : public ::testing::TestWithParam<Ends (*)()> {};

// A test that waits for one who does not read would never end.
TEST_P(Reader, ThatSleepsHoldsNobodyAndIsToldWhatItMissed) {
  const Ends ends = GetParam()();
  LineOutput out{ends.writer.get()};
  int lost = 0;
  const auto begin = std::chrono::steady_clock::now();
  while (lost < 1'000) {
    if (out.write(line_of(100)) != 0) ++lost;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds{5}) << "it is waited for once";
  std::string said = take_all(ends);
  EXPECT_EQ(out.write("again\n"), 0);
  said += take_all(ends);
  std::erase(said, '\r');
  EXPECT_THAT(said, EndsWith(" (nobody reads)\nagain\n"));
  // A count is shorter than a line, and may have found room already.
  constexpr std::string_view kCount = "rvvmm: lines lost here: ";
  int told = 0;
  for (size_t at = said.find(kCount); at != std::string::npos; at = said.find(kCount, at + 1))
    told += std::stoi(said.substr(at + kCount.size(), 10));
  EXPECT_EQ(told, lost);
}

// What is said is said by itself, not behind a half line.
TEST_P(Reader, FindsEachLineAtItsBeginning) {
  const Ends ends = GetParam()();
  LineOutput out{ends.writer.get()};
  while (out.write(line_of(5'000)) == 0)
    continue;
  std::string said = take_all(ends);
  out.say_lost();
  said += take_all(ends);
  std::erase(said, '\r');
  EXPECT_THAT(said, EndsWith("\nrvvmm: lines lost here: 1 (nobody reads)\n"));
  out.say_lost();
  EXPECT_EQ(take_all(ends), "") << "once";
}

TEST_P(Reader, ThatIsOnlySlowMissesNothing) {
  const Ends ends = GetParam()();
  LineOutput out{ends.writer.get()};
  constexpr size_t kLines = 3'000;
  std::jthread slow{[&] {
    std::array<char, 16384> piece;
    for (size_t lines = 0; lines < kLines;) {
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
      const ssize_t count = ::read(ends.reader.get(), piece.data(), piece.size());
      if (count > 0) lines += static_cast<size_t>(std::count(piece.data(), piece.data() + count, '\n'));
    }
  }};
  size_t lost = 0;
  for (size_t i = 0; i < kLines; ++i)
    lost += out.write(line_of(100)) == 0 ? 0 : 1;
  EXPECT_EQ(lost, 0U);
  if (lost > 0) ::write(ends.writer.get(), std::string(lost, '\n').data(), lost);
}

TEST_P(Reader, IsWaitedForByAHartUntilThatIsToEnd) {
  const Ends ends = GetParam()();
  LineOutput out{ends.writer.get()};
  std::atomic<bool> ends_now = false;
  std::atomic<uint64_t> lines = 0;
  std::jthread hart{[&] {
    while (!ends_now) {
      out.write(line_of(100), ends_now);
      ++lines;
    }
  }};
  // poll(2) says too early that a socket has no room, so only a refused line shows that it is full.
  while (out.write(line_of(5'000)) == 0)
    continue;
  // The hart's short lines may still fit.
  uint64_t when_full = 0;
  while (std::exchange(when_full, lines) != lines)
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
  // Nobody else waits for it meanwhile.
  EXPECT_EQ(out.write(line_of(5'000)), EAGAIN);
  // Not all: the hart would write as fast as that is read.
  std::string piece(100'000, ' ');
  for (int tries = 0; lines == when_full && tries < 1'000; ++tries) {
    ::read(ends.reader.get(), piece.data(), piece.size());
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  EXPECT_GT(lines, when_full);
  ends_now = true;
}

constexpr std::array kNames{"Pipe", "Fifo", "Socket", "Terminal"};
INSTANTIATE_TEST_SUITE_P(LineOutput, Reader, ::testing::Values(make_pipe, make_fifo, make_sockets, make_terminal),
                         [](const auto& instance) { return std::string{kNames[instance.index]}; });

// It may be another process's too, which must not find it non-blocking.
TEST(LineOutput, LeavesTheDescriptorAsItIs) {
  const Ends ends = make_pipe();
  LineOutput out{ends.writer.get()};
  while (out.write(line_of(5'000)) == 0)
    continue;
  EXPECT_EQ(::fcntl(ends.writer.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(LineOutput, EndsLinesOnATerminalAsRawModeWantsIt) {
  const Ends ends = make_terminal();
  LineOutput out{ends.writer.get()};
  EXPECT_EQ(out.write("one\ntwo\n"), 0);
  EXPECT_EQ(take_all(ends), "one\r\ntwo\r\n");
}

TEST(LineOutput, SaysWhatADiskThatWasFullHasCost) {
  const Fd full{::open("/dev/full", O_WRONLY)};
  const Ends ends = make_pipe();
  const Fd out_fd{::fcntl(full.get(), F_DUPFD_CLOEXEC, 0)};
  LineOutput out{out_fd.get()};
  EXPECT_EQ(out.write("one\ntwo\n"), ENOSPC);
  ASSERT_EQ(::dup2(ends.writer.get(), out_fd.get()), out_fd.get());
  EXPECT_EQ(out.write("three\n"), 0);
  EXPECT_EQ(take_all(ends), "rvvmm: lines lost here: 2 (No space left on device)\nthree\n");
}

TEST(LineOutput, AReaderThatHasGoneIsNoSignal) {
  Ends ends = make_pipe();
  handle_errno_signals(SIG_IGN);
  ends.reader.reset();
  LineOutput out{ends.writer.get()};
  EXPECT_EQ(out.write("one\n"), EPIPE);
}

}  // namespace
}  // namespace rvvmm::line_output_test

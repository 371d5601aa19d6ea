#include "vmm/console/console_place.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "base/kick_signal.hpp"
#include "vmm/console/pty_console.hpp"
#include "vmm/console/socket_console.hpp"

namespace rvvmm::console_place_test {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span{text});
}

/// A console at its place, with a loop that runs in a thread of its own, as the main thread of rvvmm does.
class Running {
 public:
  explicit Running(ConsolePlace& place) : console_(place.output_fd(), place.reader()) {
    sigset_t kick;
    ::sigemptyset(&kick);
    ::sigaddset(&kick, kKickSignal);
    ::pthread_sigmask(SIG_BLOCK, &kick, nullptr);
    console_.start();
    input_ = place.take_input(
        {.loop = loop_, .terminal = terminal_, .console = console_, .on_resize = [this] { ++resizes; }});
    thread_ = std::jthread([this] { loop_.run(); });
  }
  ~Running() {
    loop_.stop({});
    thread_.join();
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;

  ConsoleHub& console() { return console_; }
  bool takes_input() const { return input_ != nullptr; }
  /// What the guest reads, until it has `count` bytes.
  std::string typed(size_t count) {
    std::string text;
    while (text.size() < count) {
      std::array<std::byte, 100> buffer{};
      const size_t got = console_.read(buffer);
      text.append(reinterpret_cast<const char*>(buffer.data()), got);
      if (got == 0) std::this_thread::yield();
    }
    return text;
  }

  std::atomic<int> resizes = 0;

 private:
  EventLoop loop_;
  Terminal terminal_{-1};
  ConsoleHub console_;
  std::unique_ptr<ConsoleInput> input_;
  std::jthread thread_;
};

void put(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    ASSERT_GT(written, 0);
    text.remove_prefix(static_cast<size_t>(written));
  }
}

std::string take(int fd, size_t count) {
  std::string text(count, '\0');
  size_t have = 0;
  while (have < count) {
    const ssize_t got = ::read(fd, text.data() + have, count - have);
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  text.resize(have);
  return text;
}

std::string numbered(size_t count) {
  std::string text;
  for (size_t i = 0; text.size() < count; ++i)
    text += std::to_string(i) + ' ';
  text.resize(count);
  return text;
}

/// With "ok" and "go" the test knows that a client is there and has been heard.
void greet(Running& running, int client) {
  put(client, "ok");
  EXPECT_EQ(running.typed(2), "ok");
  running.console().write(bytes_of("go"));
  EXPECT_EQ(take(client, 2), "go");
}

std::string refusal_of(const ConsoleChoice& choice) {
  try {
    open_console_place(choice);
  } catch (const SetupError& problem) {
    EXPECT_EQ(problem.status(), ExitStatus::kUsage);
    return problem.what();
  }
  return "accepted";
}

class InFolder : public ::testing::Test {
 protected:
  InFolder() {
    std::string name = ::testing::TempDir() + "rvvmm-place-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~InFolder() override { std::filesystem::remove_all(folder_); }
  std::string path() const { return folder_ / "console"; }

  std::filesystem::path folder_;
};

using FileConsole = InFolder;

TEST(GoToTheSamePlace, IsTrueOfOneTerminalByTwoNames) {
  int user = -1;
  int tty = -1;
  std::array<char, 100> name{};
  ASSERT_EQ(::openpty(&user, &tty, name.data(), nullptr, nullptr), 0);
  const Fd user_fd{user};
  const Fd tty_fd{tty};
  unsigned number = 0;
  if (::ioctl(tty, TIOCGDEV, &number) != 0) GTEST_SKIP() << "under qemu-user, which has no TIOCGDEV";
  // The name /dev/tty stands for the terminal of who opens it.
  const pid_t child = ::fork();
  if (child == 0) {
    ::setsid();
    ::ioctl(tty, TIOCSCTTY, 0);
    const Fd again{::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC)};
    const Fd own{::open("/dev/tty", O_RDWR | O_CLOEXEC)};
    ::_exit(own && go_to_the_same_place(tty, again.get()) && go_to_the_same_place(tty, own.get()) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  ASSERT_EQ(::openpty(&user, &tty, nullptr, nullptr, nullptr), 0);
  const Fd other_user{user};
  const Fd other_tty{tty};
  EXPECT_FALSE(go_to_the_same_place(tty_fd.get(), other_tty.get()));
}

TEST(GoToTheSamePlace, IsTrueOfOnePipeAndOfOneFile) {
  std::array<int, 2> one{};
  std::array<int, 2> other{};
  ASSERT_EQ(::pipe2(one.data(), O_CLOEXEC), 0);
  ASSERT_EQ(::pipe2(other.data(), O_CLOEXEC), 0);
  const std::array ends{Fd{one[0]}, Fd{one[1]}, Fd{other[0]}, Fd{other[1]}};
  const Fd copy{::dup(one[1])};
  EXPECT_TRUE(go_to_the_same_place(one[1], copy.get()));
  EXPECT_FALSE(go_to_the_same_place(one[1], other[1]));
  EXPECT_FALSE(go_to_the_same_place(-1, one[1]));
}

TEST_F(FileConsole, IsAppendedToAndBringsNoInput) {
  std::ofstream(path()) << "before\n";
  const auto place = open_console_place({.where = ConsoleWhere::kFile, .path = path()});
  EXPECT_EQ(place->size(), std::nullopt);
  EXPECT_EQ(place->terminal_fd(), -1);
  {
    Running running{*place};
    EXPECT_FALSE(running.takes_input());
    running.console().write(bytes_of("guest\n"));
  }
  std::string text(100, '\0');
  std::ifstream in{path()};
  in.read(text.data(), 100);
  text.resize(static_cast<size_t>(in.gcount()));
  EXPECT_EQ(text, "before\nguest\n");
}

TEST_F(FileConsole, ThatCannotBeWrittenIsRefused) {
  EXPECT_EQ(refusal_of({.where = ConsoleWhere::kFile, .path = "/none/x"}),
            "--console: file /none/x: cannot be written: No such file or directory");
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  EXPECT_NE(refusal_of({.where = ConsoleWhere::kFile, .path = path()}), "accepted") << "a pipe without a reader";
}

TEST(NullConsole, TakesAllAndBringsNothing) {
  const auto place = open_console_place({.where = ConsoleWhere::kNull});
  Running running{*place};
  EXPECT_FALSE(running.takes_input());
  const std::string much(1_MiB, 'x');
  running.console().write(bytes_of(much));
  EXPECT_EQ(running.console().try_write(bytes_of(much)), much.size());
  EXPECT_TRUE(running.console().flush());
}

TEST(StandardConsole, IsStdinAndStdout) {
  const auto place = open_console_place({});
  EXPECT_EQ(place->terminal_fd(), STDIN_FILENO);
  EXPECT_EQ(place->output_fd(), STDOUT_FILENO);
}

TEST(TerminalSize, IsThatOfTheTerminal) {
  const winsize size{.ws_row = 50, .ws_col = 132, .ws_xpixel = 0, .ws_ypixel = 0};
  int fds[2] = {-1, -1};
  ASSERT_EQ(::openpty(&fds[0], &fds[1], nullptr, nullptr, &size), 0);
  const Fd user{fds[0]};
  const Fd tty{fds[1]};
  EXPECT_EQ(terminal_size(tty.get()), (ConsoleSize{.columns = 132, .rows = 50}));
  EXPECT_EQ(terminal_size(-1), std::nullopt);
}

TEST(PtyConsole, ReadersComeAndGo) {
  PtyConsole place;
  Running running{place};
  for (int round = 0; round < 3; ++round) {
    // More than a pty holds: who writes for nobody must not wait.
    running.console().write(bytes_of(std::string(256_KiB, 'x')));
    EXPECT_TRUE(running.console().flush());
    const Fd user{::open(place.path().c_str(), O_RDWR | O_NOCTTY)};
    ASSERT_TRUE(user);
    greet(running, user.get());
    put(user.get(), "\x01x\x03\x04\n");
    EXPECT_EQ(running.typed(5), "\x01x\x03\x04\n");
  }
}

TEST(PtyConsole, LosesNothingOfAPasteAndToldTheSize) {
  PtyConsole place;
  Running running{place};
  const Fd user{::open(place.path().c_str(), O_RDWR | O_NOCTTY)};
  ASSERT_TRUE(user);
  const std::string text = numbered(300'000);
  const std::jthread typist([&] { put(user.get(), text); });
  EXPECT_TRUE(running.typed(text.size()) == text);
  const winsize size{.ws_row = 50, .ws_col = 132, .ws_xpixel = 0, .ws_ypixel = 0};
  ASSERT_EQ(::ioctl(user.get(), TIOCSWINSZ, &size), 0);
  const int before = running.resizes;
  greet(running, user.get());
  EXPECT_GT(running.resizes, before);
  EXPECT_EQ(place.size(), (ConsoleSize{.columns = 132, .rows = 50}));
}

class SocketConsoleTest : public InFolder {
 protected:
  Fd connect() const {
    Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  ConsoleChoice choice() const { return {.where = ConsoleWhere::kSocket, .path = path()}; }
};

TEST_F(SocketConsoleTest, ClientsComeAndGo) {
  SocketConsole place{path()};
  Running running{place};
  for (int round = 0; round < 3; ++round) {
    running.console().write(bytes_of(std::string(1_MiB, 'x')));
    EXPECT_TRUE(running.console().flush());
    const Fd user = connect();
    greet(running, user.get());
    put(user.get(), "\x01x\x03");
    EXPECT_EQ(running.typed(3), "\x01x\x03");
  }
}

TEST_F(SocketConsoleTest, TheNextClientWaitsForItsTurn) {
  SocketConsole place{path()};
  Running running{place};
  Fd first = connect();
  greet(running, first.get());
  const Fd second = connect();
  put(second.get(), "second");
  put(first.get(), "first ");
  EXPECT_EQ(running.typed(6), "first ");
  pollfd nothing{.fd = second.get(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&nothing, 1, 0), 0);
  first.reset();
  EXPECT_EQ(running.typed(6), "second");
  running.console().write(bytes_of("hello"));
  EXPECT_EQ(take(second.get(), 5), "hello");
}

TEST_F(SocketConsoleTest, LosesNothingOfAPasteThoughItsClientHasLeft) {
  SocketConsole place{path()};
  Running running{place};
  const std::string text = numbered(400'000);
  const std::jthread typist([&] { put(connect().get(), text); });
  EXPECT_TRUE(running.typed(text.size()) == text);
}

TEST_F(SocketConsoleTest, IsOpenToTheNextClientThoughTheGuestTakesNothing) {
  SocketConsole place{path()};
  Running running{place};
  put(connect().get(), std::string(3 * ConsoleHub::kInputCapacity, 'x'));
  const Fd user = connect();
  // What is written before the client's turn is lost.
  pollfd answer{.fd = user.get(), .events = POLLIN, .revents = 0};
  while (::poll(&answer, 1, 1) == 0)
    running.console().write(bytes_of("hello"));
  EXPECT_EQ(take(user.get(), 5), "hello");
}

TEST_F(SocketConsoleTest, AClientThatLeavesAmidOutputHoldsNobodyUp) {
  SocketConsole place{path()};
  Running running{place};
  Fd user = connect();
  greet(running, user.get());
  std::jthread hart([&] { running.console().write(bytes_of(std::string(2_MiB, 'x'))); });
  EXPECT_EQ(take(user.get(), 100).size(), 100U);
  user.reset();
  hart.join();
  EXPECT_TRUE(running.console().flush());
}

TEST_F(SocketConsoleTest, ASlowClientGetsAll) {
  SocketConsole place{path()};
  Running running{place};
  const Fd user = connect();
  greet(running, user.get());
  const std::string text = numbered(1_MiB);
  const std::jthread hart([&] { running.console().write(bytes_of(text)); });
  EXPECT_TRUE(take(user.get(), text.size()) == text);
}

TEST_F(SocketConsoleTest, IsRemovedAtTheEndUnlessItIsAnothers) {
  {
    const SocketConsole place{path()};
  }
  EXPECT_FALSE(std::filesystem::exists(path()));
  {
    const SocketConsole place{path()};
    std::filesystem::remove(path());
    std::ofstream(path()) << "somebody's";
  }
  EXPECT_TRUE(std::filesystem::exists(path()));
}

TEST_F(SocketConsoleTest, TakesThePlaceOfOneThatWasLeftOver) {
  {
    const Fd left{::socket(AF_UNIX, SOCK_STREAM, 0)};
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path().copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  EXPECT_EQ(refusal_of(choice()), "accepted");
}

// Of two that find the same socket left over one takes its place, and the other says so.
TEST_F(SocketConsoleTest, TwoAtOnceAreOneAndARefusal) {
  for (int round = 0; round < 50; ++round) {
    {
      const Fd left{::socket(AF_UNIX, SOCK_STREAM, 0)};
      sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
      path().copy(address.sun_path, sizeof address.sun_path - 1);
      ASSERT_EQ(::bind(left.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    std::array<std::unique_ptr<SocketConsole>, 2> places;
    std::atomic<int> ready = 0;
    const auto take = [&](size_t number) {
      ++ready;
      while (ready < 2)
        continue;
      try {
        places[number] = std::make_unique<SocketConsole>(path());
      } catch (const SetupError& refusal) {
        EXPECT_TRUE(std::string{refusal.what()}.ends_with("another process listens there; give another path"));
      }
    };
    std::thread other{[&] { take(1); }};
    take(0);
    other.join();
    ASSERT_EQ((places[0] != nullptr) + (places[1] != nullptr), 1) << "round " << round;
    ASSERT_TRUE(std::filesystem::exists(path()));
  }
}

TEST_F(SocketConsoleTest, WithoutTheRightToUseItSaysSo) {
  if (::geteuid() == 0 && ::seteuid(65534) != 0) GTEST_SKIP() << "cannot become another user";
  const std::string theirs = "/tmp/rvvmm-theirs-" + std::to_string(::getpid());
  std::string said;
  {
    std::filesystem::create_directory(theirs);
    std::filesystem::permissions(theirs, std::filesystem::perms::none);
    said = refusal_of({.where = ConsoleWhere::kSocket, .path = theirs + "/x"});
    std::filesystem::remove(theirs);
  }
  EXPECT_EQ(::seteuid(::getuid()), 0);
  EXPECT_EQ(said,
            "--console: socket " + theirs + "/x: you may not make a socket there; give a path in a folder of yours");
}

TEST_F(SocketConsoleTest, WhatIsInTheWayIsNamed) {
  const SocketConsole place{path()};
  EXPECT_EQ(refusal_of(choice()), "--console: socket " + path() + ": another process listens there; give another path");
  EXPECT_EQ(refusal_of({.where = ConsoleWhere::kSocket, .path = "/dev/null"}),
            "--console: socket /dev/null: exists already and is not a socket; give a path that is free");
  EXPECT_EQ(refusal_of({.where = ConsoleWhere::kSocket, .path = "/none/x"}),
            "--console: socket /none/x: cannot be made: No such file or directory");
  const std::string longest(108, 'x');
  EXPECT_EQ(refusal_of({.where = ConsoleWhere::kSocket, .path = longest}),
            "--console: socket " + longest + ": is too long for a socket; give at most 107 bytes");
}

}  // namespace
}  // namespace rvvmm::console_place_test

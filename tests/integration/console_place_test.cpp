// Where --console takes the guest's console: a socket, a pty, a file.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <filesystem>

#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test {
namespace {

class ConsolePlace : public KvmTest {
 protected:
  std::vector<std::string> arguments(const std::string& guest, const std::string& place) const {
    return {"--kernel", environment().guest(guest), "--mem", "64M", "--console", place};
  }

  /// Reads until `text` has come.
  static ::testing::AssertionResult expect(int fd, const std::string& text) {
    std::string seen;
    while (!seen.contains(text)) {
      char buffer[256];
      const ssize_t got = ::read(fd, buffer, sizeof buffer);
      if (got <= 0) return ::testing::AssertionFailure() << "the end came behind: " << seen;
      seen.append(buffer, static_cast<size_t>(got));
    }
    return ::testing::AssertionSuccess();
  }

  /// `answers`: both ways work.
  static void expect_answers(int fd) {
    ASSERT_EQ(::write(fd, "\x01x", 2), 2);
    EXPECT_TRUE(expect(fd, "byte 0000000000000001\nbyte 0000000000000078\n"));
  }

  static Fd connect_to(const std::string& path) {
    Fd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    const auto* const at = reinterpret_cast<const sockaddr*>(&address);
    for (int tries = 0; ::connect(fd.get(), at, sizeof address) < 0; ++tries) {
      if (tries == 6000) return Fd{};
      ::usleep(10'000);
    }
    return fd;
  }
};

TEST_F(ConsolePlace, IsASocketForOneClientAfterTheOther) {
  const TemporaryFile place{""};
  std::filesystem::remove(place.path());
  VmProcess vm{arguments("echo_hex", "socket=" + place.path()), Console::kNullInput};
  for (int client = 0; client < 2; ++client) {
    const Fd fd = connect_to(place.path());
    ASSERT_TRUE(fd);
    expect_answers(fd.get());
  }
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(128 + SIGTERM));
  EXPECT_EQ(vm.output(), "");
  EXPECT_FALSE(std::filesystem::exists(place.path()));
}

TEST_F(ConsolePlace, IsAPtyThatIsNamed) {
  VmProcess vm{arguments("echo_hex", "pty"), Console::kPty};
  const termios before = vm.terminal_attributes();
  const std::string lead = "rvvmm: console: ";
  for (int tries = 0; !vm.errors().ends_with('\n'); ++tries) {
    ASSERT_LT(tries, 6000) << vm.errors();
    ::usleep(10'000);
  }
  const std::string line = vm.errors();
  ASSERT_TRUE(line.starts_with(lead + "/dev/pts/")) << line;
  const std::string path = line.substr(lead.size(), line.size() - lead.size() - 1);
  for (int client = 0; client < 2; ++client) {
    const Fd fd{::open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC)};
    ASSERT_TRUE(fd) << path;
    expect_answers(fd.get());
  }
  EXPECT_EQ(before.c_lflag, vm.terminal_attributes().c_lflag) << "rvvmm's own terminal is not the console";
}

TEST_F(ConsolePlace, IsAFileThatGrows) {
  const TemporaryFile place{"before\n"};
  VmProcess vm{arguments("hello", "file=" + place.path()), Console::kPipe};
  EXPECT_TRUE(vm.ends_with(0));
  EXPECT_EQ(vm.output(), "");
  EXPECT_TRUE(place.content().starts_with("before\n"));
  EXPECT_GT(place.content().size(), 10U);
}

TEST_F(ConsolePlace, IsNowhere) {
  VmProcess vm{arguments("hello", "null"), Console::kPipe};
  EXPECT_TRUE(vm.ends_with(0));
  EXPECT_EQ(vm.output(), "");
  EXPECT_EQ(vm.errors(), "");
}

}  // namespace
}  // namespace rvvmm::test

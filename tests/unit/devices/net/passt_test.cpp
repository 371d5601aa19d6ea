#include "devices/net/passt.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/errno_signals.hpp"
#include "base/error.hpp"

namespace rvvmm::passt_test {
namespace {

/// A program in place of passt. $4 is the number of its socket.
class PasstTest : public ::testing::Test {
 protected:
  ~PasstTest() override {
    ::unlink(program.c_str());
    ::rmdir(folder.c_str());
  }
  std::unique_ptr<Passt> start(const std::string& script) {
    std::ofstream{program} << "#!/bin/bash\n" << script;
    ::chmod(program.c_str(), 0755);
    return Passt::launch({.program = program, .forwards = {}});
  }
  std::string failure(const std::string& script) {
    try {
      start(script);
    } catch (const SetupError& error) {
      EXPECT_EQ(error.status(), ExitStatus::kHostUnsupported);
      return error.what();
    }
    return "";
  }
  static void wait_until_readable(const Passt& passt) {
    pollfd event{.fd = passt.fd(0), .events = POLLIN, .revents = 0};
    ASSERT_EQ(::poll(&event, 1, 10'000), 1);
  }
  static NetIo receive(Passt& passt, std::string& frame) {
    frame.assign(2048, '\0');
    const iovec piece{.iov_base = frame.data(), .iov_len = frame.size()};
    const NetReceived got = passt.receive(0, {&piece, 1});
    frame.resize(got.bytes);
    return got.io;
  }

  std::string folder = [] {
    char name[] = "/tmp/passt-test-XXXXXX";
    return std::string{::mkdtemp(name)};
  }();
  const std::string program = folder + "/passt";
};

TEST_F(PasstTest, IsStartedReadyConnectedAndEnded) {
  pid_t pid = 0;
  {
    const auto passt = start("echo $$; exec cat <&$4 >&$4");
    pid = passt->pid();
    std::string frame(12 + 60, 'f');
    const iovec piece{.iov_base = frame.data(), .iov_len = frame.size()};
    EXPECT_EQ(passt->send(0, {&piece, 1}), NetIo::kDone);
    wait_until_readable(*passt);
    std::string back;
    EXPECT_EQ(receive(*passt, back), NetIo::kDone);
    EXPECT_EQ(back, std::string(12, '\0') + std::string(60, 'f'));
  }
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

/// qemu-user makes a fork of a vfork, and says that everything was started.
bool spawning_says_what_failed() {
  const char* const program = "/nothing-is-here";
  char* arguments[] = {const_cast<char*>(program), nullptr};
  pid_t pid = 0;
  if (::posix_spawn(&pid, program, nullptr, nullptr, arguments, ::environ) != 0) return true;
  ::waitpid(pid, nullptr, 0);
  return false;
}

// As rvvmm's main has them.
TEST_F(PasstTest, InheritsNoIgnoredSignals) {
  if (!spawning_says_what_failed()) GTEST_SKIP() << "under qemu-user, which ignores signals of its own";
  handle_errno_signals(SIG_IGN);
  EXPECT_EQ(failure("grep SigIgn /proc/self/status >&2; exit 1"),
            "user: " + program + " did not start: SigIgn:?0000000000000000");
  handle_errno_signals(SIG_DFL);
}

TEST_F(PasstTest, KilledItSaysSo) {
  // It lives until it has a whole frame: its length in 4 bytes, and the frame.
  const auto passt = start("echo hello >&2; echo $$; head -c 64 <&$4 >/dev/null; echo out of luck >&2; kill -9 $$");
  std::string frame(12 + 60, 'f');
  const iovec piece{.iov_base = frame.data(), .iov_len = frame.size()};
  EXPECT_EQ(passt->send(0, {&piece, 1}), NetIo::kDone);
  wait_until_readable(*passt);
  EXPECT_EQ(receive(*passt, frame), NetIo::kGone);
  EXPECT_EQ(passt->why(), "passt has ended: out of luck");
}

TEST_F(PasstTest, NamesThePackageWhereThereIsNone) {
  if (!spawning_says_what_failed()) GTEST_SKIP() << "under qemu-user";
  try {
    Passt::launch({.program = folder + "/none", .forwards = {}});
    FAIL();
  } catch (const SetupError& error) {
    EXPECT_EQ(error.what(),
              "user: program " + folder + "/none not found (Debian package passt); --net tap=NAME works without it");
  }
}

// A forked process has all memory of its parent, which a host that overcommits none sets aside twice.
TEST_F(PasstTest, IsNoForkOfOurs) {
  static bool forked;
  forked = false;
  ASSERT_EQ(::pthread_atfork([] { forked = true; }, nullptr, nullptr), 0);
  start("echo $$; exec cat <&$4");
  EXPECT_FALSE(forked);
}

TEST_F(PasstTest, SaysWhyAProgramCannotBeExecuted) {
  if (!spawning_says_what_failed()) GTEST_SKIP() << "under qemu-user";
  const auto failure_of = [this](const std::string& content, mode_t mode) -> std::string {
    std::ofstream{program} << content;
    ::chmod(program.c_str(), mode);
    try {
      Passt::launch({.program = program, .forwards = {}});
    } catch (const SetupError& error) {
      EXPECT_EQ(error.status(), ExitStatus::kHostUnsupported);
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(failure_of("#!/bin/bash\n", 0644), "user: " + program + " cannot be executed: Permission denied");
  // A shell would take it for a script, and say that there is no program.
  EXPECT_EQ(failure_of("\x7f"
                       "ELF of another machine\n",
                       0755),
            "user: " + program + " cannot be executed: Exec format error");
}

TEST_F(PasstTest, SaysWhatItSaidWhenItDoesNotStart) {
  EXPECT_EQ(failure("echo first >&2; echo Port 2222 is taken >&2; exit 1"),
            "user: " + program + " did not start: Port 2222 is taken");
  EXPECT_EQ(failure("exit 1"), "user: " + program + " did not start: it does not say why");
}

TEST(PasstArguments, ForwardPorts) {
  const PasstOptions options{
      .program = "passt",
      .forwards = {{.udp = false, .host_address = "", .host_port = 2222, .guest_port = 22},
                   {.udp = true, .host_address = "127.0.0.1", .host_port = 53, .guest_port = 5353}}};
  const auto arguments = passt_arguments(options, 7, std::nullopt);
  const auto value_of = [&](const char* option) {
    const auto at = std::ranges::find(arguments, option);
    return at == arguments.end() || at + 1 == arguments.end() ? "" : *(at + 1);
  };
  EXPECT_EQ(value_of("--fd"), "7");
  EXPECT_EQ(value_of("--tcp-ports"), "2222:22");
  EXPECT_EQ(value_of("--udp-ports"), "127.0.0.1/53:5353");
  EXPECT_EQ(value_of("--interface"), "");
}

TEST(PasstArguments, NameTheInterfaceThatTheHostUses) {
  const auto said_of = [](const std::optional<HostRoutes>& routes) {
    const auto arguments = passt_arguments({}, 7, routes);
    const auto at = std::ranges::find(arguments, "--interface");
    const std::string interface = at == arguments.end() ? "" : *(at + 1);
    return interface + (std::ranges::contains(arguments, "--ipv4-only") ? ", IPv4 only" : "");
  };
  EXPECT_EQ(said_of(HostRoutes{}), "lo, IPv4 only");
  EXPECT_EQ(said_of(HostRoutes{.ipv4 = "eth0", .ipv6 = ""}), "eth0");
  EXPECT_EQ(said_of(HostRoutes{.ipv4 = "", .ipv6 = "eth0"}), "eth0");
  EXPECT_EQ(said_of(HostRoutes{.ipv4 = "eth0", .ipv6 = "eth0"}), "eth0");
  EXPECT_EQ(said_of(HostRoutes{.ipv4 = "wg0", .ipv6 = "eth0"}), "") << "one name cannot be right for both";
  EXPECT_EQ(said_of(std::nullopt), "");
}

}  // namespace
}  // namespace rvvmm::passt_test

// Guests that panic, and --on-panic, as a user has them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "linux_guest.hpp"
#include "linux_test_case.hpp"
#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::panic_test {
namespace {

// tests/guests/panic.c
constexpr const char* kFirstLine = "guest: all is well";
constexpr const char* kPanicLine = "Kernel panic - not syncing: \"by design\"";
constexpr const char* kLastLine = "---[ end Kernel panic - not syncing ]---";
constexpr const char* kPattern = "Kernel panic*by design";
constexpr const char* kPrompt = "(rvvmm) ";

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

class Panic : public KvmTest {
 protected:
  std::vector<std::string> options(std::vector<std::string> more, const char* guest = "panic") const {
    more.insert(more.begin(),
                {"--kernel", environment().guest(guest), "--mem", "64M", "--flight-record", file_.path()});
    return more;
  }
  std::string record() const { return report_with({file_.path()}); }
  const TemporaryFile file_;
};

TEST_F(Panic, ALineEndsWithAllThatTheGuestHadToSay) {
  VmProcess vm{options({"--panic-pattern", "nothing like it", "--panic-pattern", kPattern})};
  ASSERT_TRUE(vm.ends_with(81)) << vm.errors();
  for (const std::string& text : {vm.output(), vm.errors(), record()}) {
    EXPECT_TRUE(has(text, kPanicLine)) << text;
    EXPECT_TRUE(has(text, kLastLine)) << text;
  }
  EXPECT_TRUE(
      has(vm.errors(), "rvvmm: the guest has panicked; the last lines of its console:\n    guest: all is well\n"))
      << vm.errors();
  EXPECT_TRUE(has(record(), "the last lines of the console:\n    guest: all is well\n")) << record();
  EXPECT_TRUE(has(record(), "hart 0 at the end:\n")) << record();
}

// On a terminal, and with 2>&1 into a pipe, stderr is where the guest's console is.
TEST_F(Panic, WhoHasSeenTheConsoleIsNotShownItAgain) {
  const auto stderr_is_stdout = [] { dup2(STDOUT_FILENO, STDERR_FILENO); };
  const auto stderr_is_the_terminal = [] {
    const int terminal = open("/dev/tty", O_RDWR);
    if (terminal < 0) _exit(126);
    dup2(terminal, STDERR_FILENO);
  };
  struct Case {
    Console console;
    void (*prepare)();
  };
  for (const auto& [console, prepare] : {Case{Console::kPipe, stderr_is_stdout}, Case{Console::kPty, stderr_is_stdout},
                                         Case{Console::kPty, stderr_is_the_terminal}}) {
    VmProcess vm{options({"--panic-pattern", kPattern}), console, prepare};
    ASSERT_TRUE(vm.expect("rvvmm: the guest has panicked"));
    EXPECT_TRUE(vm.ends_with(81));
    EXPECT_EQ(vm.output().find("the last lines"), std::string::npos) << vm.output();
    EXPECT_EQ(vm.output().find(kLastLine), vm.output().rfind(kLastLine)) << vm.output();
  }
}

TEST_F(Panic, NobodySeesWhatIsNotAskedFor) {
  VmProcess vm{options({"--panic-pattern", "Kernel panic - by design"})};
  ASSERT_TRUE(vm.expect(kLastLine));
  EXPECT_TRUE(vm.lives_for(std::chrono::seconds{4}));
  EXPECT_EQ(vm.errors(), "");
}

TEST_F(Panic, IsSeenOnAConsoleThatNobodyReads) {
  VmProcess vm{options({"--panic-pattern", kPattern, "--console", "null"})};
  ASSERT_TRUE(vm.ends_with(81)) << vm.errors();
  EXPECT_TRUE(has(vm.errors(), kLastLine)) << vm.errors();
}

TEST_F(Panic, TheResetBehindALineIsPartOfIt) {
  VmProcess vm{options({"--panic-pattern", kPattern}, "panic_then_reset")};
  ASSERT_TRUE(vm.ends_with(81)) << vm.errors();
  EXPECT_TRUE(has(record(), "system reset, reason 0x0")) << record();
}

TEST_F(Panic, ResetBootsAgain) {
  VmProcess vm{options({"--panic-pattern", kPattern, "--on-panic", "reset"})};
  for (int boot = 0; boot < 3; ++boot)
    ASSERT_TRUE(vm.expect(kFirstLine)) << boot;
  EXPECT_TRUE(vm.says("rvvmm: the guest has panicked; the last lines of its console:\n"));
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(143));
}

TEST_F(Panic, OfASystemFailureIsWhatWasAskedFor) {
  VmProcess ends{options({"--on-panic", "exit"}, "reset_system_failure")};
  EXPECT_TRUE(ends.ends_with(81));
  EXPECT_TRUE(has(ends.errors(), "rvvmm: the guest reported a system failure: ")) << ends.errors();
  VmProcess resets{options({"--on-panic", "reset"}, "system_failure")};
  EXPECT_TRUE(resets.says("rvvmm: the guest reported a system failure: "));
  EXPECT_TRUE(resets.lives_for(std::chrono::seconds{1}));
  resets.signal(SIGTERM);
  EXPECT_TRUE(resets.ends_with(143));
}

TEST_F(Panic, StopLeavesTheMachineToBeLookedAt) {
  VmProcess vm{options({"--panic-pattern", kPattern, "--on-panic", "stop", "--smp", "2"})};
  ASSERT_TRUE(vm.says("the machine is stopped; SIGTERM ends rvvmm\n"));
  EXPECT_TRUE(has(vm.output(), kLastLine) || vm.expect(kLastLine));
  vm.signal(SIGUSR1);
  ASSERT_TRUE(vm.says("SIGUSR1: the last exits"));
  EXPECT_TRUE(has(record(), "hart 1 at the end:\n")) << record();
  EXPECT_TRUE(vm.lives_for(std::chrono::seconds{1}));
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(143));
}

TEST_F(Panic, StopAsksAtTheTerminal) {
  VmProcess vm{options({"--on-panic", "stop"}, "system_failure"), Console::kPty};
  ASSERT_TRUE(vm.says(kPrompt));
  EXPECT_TRUE(has(vm.errors(), "or were all skipped\nhart 0:\n    pc  ")) << vm.errors();
  EXPECT_NE(vm.terminal_attributes().c_lflag & ICANON, 0U);
  ASSERT_TRUE(vm.send("mem 0x80200000 16\n"));
  ASSERT_TRUE(vm.says("0x000080200000  "));
  ASSERT_TRUE(vm.send("continue\n"));
  ASSERT_TRUE(vm.says("the guest has panicked and does not go on; quit ends rvvmm\n"));
  ASSERT_TRUE(vm.send("quit\n"));
  EXPECT_TRUE(vm.ends_with(81));
}

TEST_F(Panic, WaitsForWhoLooksAtABreakBehindTheLine) {
  VmProcess vm{options({"--panic-pattern", kPattern, "--break", "system"}, "panic_then_reset"), Console::kPty};
  ASSERT_TRUE(vm.says(kPrompt));
  EXPECT_TRUE(vm.lives_for(std::chrono::seconds{3}));
  ASSERT_TRUE(vm.send("regs\n"));
  ASSERT_TRUE(vm.says(kPrompt, 2));
  ASSERT_TRUE(vm.send("c\n"));
  EXPECT_TRUE(vm.ends_with(81));
}

TEST_F(Panic, MistakesAreNamed) {
  VmProcess both{options({"--on-panic", "reset", "--no-reboot"})};
  EXPECT_TRUE(both.ends_with(64));
  EXPECT_EQ(both.errors(), "rvvmm: --on-panic: reset is forbidden by --no-reboot; give one of the two\n");
  VmProcess all{options({"--panic-pattern", "*"})};
  EXPECT_TRUE(all.ends_with(64));
  EXPECT_EQ(all.errors(),
            "rvvmm: --panic-pattern: \"*\" cannot be searched for in a line; give up to 256 characters of one, "
            "such as \"Kernel panic - not syncing\"\n");
}

class LinuxPanic : public LinuxTest {};

// Its own way to panic, all of its call trace, and the reboot that it was told to make.
TEST_F(LinuxPanic, IsSeenWithItsCallTrace) {
  if (is_left_to_other_hosts()) GTEST_SKIP() << kOnlyInTheFullRun;
  const TemporaryFile file;
  LinuxGuest guest{{.kernel = kernel("latest"),
                    .options = {"--panic-pattern", "Kernel panic - not syncing", "--flight-record", file.path()},
                    .append = "panic=-1"}};
  ASSERT_TRUE(guest.boots());
  ASSERT_TRUE(guest.vm().send("echo c > /proc/sysrq-trigger\n"));
  ASSERT_TRUE(guest.vm().ends_with(81));
  for (const std::string& text : {guest.vm().errors(), report_with({file.path()})}) {
    EXPECT_TRUE(has(text, "sysrq triggered crash")) << text;
    EXPECT_TRUE(has(text, "Call Trace:")) << text;
  }
}

}  // namespace
}  // namespace rvvmm::test::panic_test

// Output that nobody takes: a reader of stderr that sleeps, FIFOs without a reader, files that may not grow.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::unread_test {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// For the process that becomes rvvmm: a pipe as stderr that is full, and whose reader, which it is itself, sleeps.
void fill_stderr() {
  int ends[2];
  if (pipe(ends) != 0) _exit(1);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  while (write(ends[1], "x", 1) == 1)
    continue;
  fcntl(ends[1], F_SETFL, 0);
  dup2(ends[1], STDERR_FILENO);
}

constexpr rlim_t kFileSize = 2048;

void limit_files() {
  const rlimit limit{.rlim_cur = kFileSize, .rlim_max = kFileSize};
  setrlimit(RLIMIT_FSIZE, &limit);
}

void fill_stdout() {
  dup2(open("/dev/full", O_WRONLY), STDOUT_FILENO);
}

std::vector<std::string> with(const std::string& guest, std::vector<std::string> more) {
  std::vector<std::string> all{"--kernel", TestEnvironment::get().guest(guest), "--mem", "64M"};
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

class Unread : public KvmTest {
 protected:
  void SetUp() override {
    KvmTest::SetUp();
    std::filesystem::remove(file_.path());
  }
  bool exists() const { return std::filesystem::exists(file_.path()); }

  const TemporaryFile file_{""};
};

TEST_F(Unread, TheFirstSignalEndsItWhateverItHasToSay) {
  VmProcess vm{with("wfi_forever", {"--log-level", "debug", "--smp", "2"}), Console::kPipe, fill_stderr};
  ASSERT_TRUE(vm.expect("guest: ready"));
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(128 + SIGTERM, seconds{20}));
}

TEST_F(Unread, CtrlAXEndsItAfterLinesOfTheMainThread) {
  VmProcess vm{with("echo_hex", {"--flight-record", file_.path()}), Console::kPty, fill_stderr};
  ASSERT_TRUE(vm.expect("guest: ready"));
  vm.signal(SIGUSR1);  // a warning that says where the record is
  for (int tries = 0; !exists() && tries < 200; ++tries)
    ASSERT_TRUE(vm.lives_for(milliseconds{50}));
  ASSERT_TRUE(vm.send("\x01h\x01x"));
  EXPECT_TRUE(vm.ends_with(0, seconds{20}));
}

TEST_F(Unread, AGuestThatResetsAfterPanicsCanBeStopped) {
  VmProcess vm{with("system_failure", {"--on-panic", "reset", "--flight-record", file_.path()}), Console::kPipe,
               fill_stderr};
  ASSERT_TRUE(vm.lives_for(milliseconds{1500}));
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(128 + SIGTERM, seconds{20}));
}

struct Option {
  const char* name;
  std::vector<std::string> words;  ///< in front of the file
};

void PrintTo(const Option& option, std::ostream* out) {
  *out << option.name;
}

class EachOutput : public Unread, public ::testing::WithParamInterface<Option> {
 protected:
  std::vector<std::string> options(const char* guest) const {
    auto all = with(guest, GetParam().words);
    all.push_back(GetParam().name);
    all.push_back(file_.path());
    return all;
  }
};

TEST_P(EachOutput, RefusesAFifoThatNobodyReads) {
  ASSERT_EQ(mkfifo(file_.path().c_str(), 0600), 0);
  VmProcess vm{options("shutdown")};
  EXPECT_TRUE(vm.ends_with(64, seconds{20}));
  EXPECT_EQ(vm.errors(), std::string{"rvvmm: "} + GetParam().name + " " + file_.path() +
                             ": cannot be written: it is a FIFO that nobody reads; start its reader first\n");
}

INSTANTIATE_TEST_SUITE_P(Files, EachOutput,
                         ::testing::Values(Option{"--log-file", {}}, Option{"--boot-timeline", {}},
                                           Option{"--profile", {}}, Option{"--flight-record", {}},
                                           Option{"--trace-file", {"--trace", "all"}}, Option{"--dump-dtb", {}}),
                         [](const auto& instance) {
                           std::string name = instance.param.name + 2;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

class FileSize : public Unread {
 protected:
  std::string cannot(const std::string& option) const {
    return "rvvmm: " + option + " " + file_.path() + ": cannot be written: File too large";
  }
};

TEST_F(FileSize, OfAProfileIsAnErrorAndLeavesNoPart) {
  VmProcess vm{with("exit_mix", {"--profile", file_.path()}), Console::kPipe, limit_files};
  EXPECT_TRUE(vm.ends_with(70));
  EXPECT_EQ(vm.errors(), cannot("--profile") + "\n");
  EXPECT_FALSE(exists());
}

TEST_F(FileSize, OfATreeIsAnErrorAndLeavesNoPart) {
  VmProcess vm{with("exit_mix", {"--smp", "8", "--dump-dtb", file_.path()}), Console::kPipe, limit_files};
  EXPECT_TRUE(vm.ends_with(70));
  EXPECT_EQ(vm.errors(), cannot("--dump-dtb") + "\n");
  EXPECT_FALSE(exists());
}

TEST_F(FileSize, OfAFlightRecordIsSaidAndLeavesNoPart) {
  VmProcess vm{with("system_failure", {"--smp", "4", "--flight-record", file_.path()}), Console::kPipe, limit_files};
  EXPECT_TRUE(vm.ends_with(81));
  EXPECT_TRUE(vm.says(cannot("--flight-record"))) << vm.errors();
  EXPECT_FALSE(exists());
}

TEST_F(FileSize, OfALogIsSaidAndTheGuestGoesOn) {
  VmProcess vm{with("exit_mix", {"--log-level", "kvm=trace", "--log-file", file_.path()}), Console::kPipe, limit_files};
  EXPECT_TRUE(vm.ends_with(0));
  EXPECT_EQ(vm.errors(), cannot("--log-file") + "; lines are lost\n");
}

TEST_F(FileSize, OfATraceIsSaidAndTheGuestGoesOn) {
  VmProcess vm{with("exit_mix", {"--trace", "all", "--trace-file", file_.path()}), Console::kPipe, limit_files};
  EXPECT_TRUE(vm.ends_with(0));
  EXPECT_TRUE(vm.says("--trace: cannot be written any more: File too large"));
  EXPECT_EQ(vm.error_lines(), 1U) << vm.errors();
}

TEST_F(FileSize, OfStderrEndsNobody) {
  VmProcess vm{with("exit_mix", {"--log-level", "kvm=trace"}), Console::kPipe, limit_files};
  EXPECT_TRUE(vm.ends_with(0));
}

TEST(FullDisk, AsStdoutIsSaid) {
  for (const char* const option : {"--help", "--version", "--completion=bash"}) {
    VmProcess vm{{option}, Console::kPipe, fill_stdout};
    EXPECT_TRUE(vm.ends_with(70)) << option;
    EXPECT_EQ(vm.errors(), "rvvmm: stdout: cannot be written: No space left on device\n") << option;
  }
}

}  // namespace
}  // namespace rvvmm::test::unread_test

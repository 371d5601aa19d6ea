// How a VM ends, restarts and idles: resets, signals, stdin that is no terminal, a reader that went away.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process_facts.hpp"
#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::lifecycle_test {
namespace {

using std::chrono::milliseconds;

std::vector<std::string> arguments(const std::string& guest, unsigned smp = 1) {
  return {"--kernel", TestEnvironment::get().guest(guest), "--mem", "64M", "--smp", std::to_string(smp)};
}

class Reset : public KvmTest {};

// The main thread, io-console, and one for each of two harts. The guest may speak before the last of them is up.
::testing::AssertionResult comes_to_four_threads(VmProcess& vm) {
  for (int tries = 0; tries < 500; ++tries) {
    if (thread_count(vm.pid()) == 4) return ::testing::AssertionSuccess();
    if (!vm.lives_for(milliseconds{20})) return ::testing::AssertionFailure() << "it ended";
  }
  return ::testing::AssertionFailure() << thread_count(vm.pid()) << " threads";
}

TEST_F(Reset, EveryWayOfResettingBootsTheSameProcessAnew) {
  VmProcess vm{arguments("reboot", 2)};
  ASSERT_TRUE(vm.expect("guest: booted"));
  // One reset first: what is opened lazily is open then.
  ASSERT_TRUE(vm.send("c"));
  ASSERT_TRUE(vm.expect("guest: booted"));
  EXPECT_TRUE(comes_to_four_threads(vm));
  const size_t descriptors = open_descriptors(vm.pid());
  for (const char* way : {"w", "f", "c", "f", "w"}) {
    ASSERT_TRUE(vm.send(way));
    ASSERT_TRUE(vm.expect("guest: booted")) << "after reset by " << way;
  }
  EXPECT_TRUE(comes_to_four_threads(vm)) << "threads leak across resets";
  EXPECT_EQ(open_descriptors(vm.pid()), descriptors) << "descriptors leak across resets";
  ASSERT_TRUE(vm.send("o"));
  EXPECT_TRUE(vm.ends_with(0));
}

// Of each boot: a limit that began anew with the machine would let all of them pass.
TEST_F(Reset, GivesTheGuestNoMoreLinesInTheLog) {
  auto options = arguments("reboot");
  options.insert(options.end(), {"--log-level", "devices=info"});
  VmProcess vm{options};
  for (int boot = 1; boot < 16; ++boot) {
    ASSERT_TRUE(vm.expect("guest: booted")) << boot;
    ASSERT_TRUE(vm.send("c"));
  }
  ASSERT_TRUE(vm.expect("guest: booted"));
  ASSERT_TRUE(vm.send("o"));
  EXPECT_TRUE(vm.ends_with(0));
  EXPECT_TRUE(vm.says("no device at 0x3000", 6)) << "1, 2, 3, 4, 8 and 16";
  EXPECT_EQ(vm.error_lines(), 6U) << vm.errors();
}

TEST_F(Reset, FindsTheDiskAsLongAsItIsNowAndTheClockAsTheGuestHasSetIt) {
  const TemporaryFile disk{std::string(1U << 20, '\0')};
  std::vector<std::string> with_disk = arguments("after_reset");
  with_disk.insert(with_disk.end(), {"--transport", "mmio", "--disk", disk.path()});
  VmProcess vm{with_disk};
  ASSERT_TRUE(vm.expect_match("guest: clock 0x1[0-9a-f]{7} capacity 0x800"));
  ASSERT_TRUE(vm.send("s"));
  ASSERT_TRUE(vm.expect_match("guest: clock 0x40000[0-9a-f]{3} capacity 0x800"));
  ASSERT_EQ(::truncate(disk.path().c_str(), 3 << 20), 0);
  ASSERT_TRUE(vm.send("r"));
  EXPECT_TRUE(vm.expect_match("guest: clock 0x40000[0-9a-f]{3} capacity 0x1800"));
  ASSERT_EQ(::truncate(disk.path().c_str(), 512), 0);
  ASSERT_TRUE(vm.send("r"));
  EXPECT_TRUE(vm.expect_match("guest: clock 0x40000[0-9a-f]{3} capacity 1"));
  ASSERT_TRUE(vm.send("o"));
  EXPECT_TRUE(vm.ends_with(0));
}

struct StopCase {
  const char* guest;
  int signal;
  unsigned smp;
};

void PrintTo(const StopCase& test, std::ostream* out) {
  *out << test.guest << ", signal " << test.signal;
}

class StopBySignal : public KvmTest, public ::testing::WithParamInterface<StopCase> {};

TEST_P(StopBySignal, IsOrderlyAndWithinSeconds) {
  const auto& [guest, number, smp] = GetParam();
  VmProcess vm{arguments(guest, smp), Console::kNullInput};
  ASSERT_TRUE(vm.expect(std::string{guest} == "spin_all_harts" ? "guest: all started" : "guest: ready"));
  vm.signal(number);
  EXPECT_TRUE(vm.ends_with(128 + number, std::chrono::seconds{30}));
}

INSTANTIATE_TEST_SUITE_P(Signals, StopBySignal,
                         ::testing::Values(StopCase{"wfi_forever", SIGTERM, 1}, StopCase{"wfi_forever", SIGINT, 1},
                                           StopCase{"wfi_forever", SIGHUP, 1}, StopCase{"wfi_forever", SIGTERM, 4},
                                           StopCase{"spin_forever", SIGTERM, 1}, StopCase{"spin_forever", SIGINT, 4},
                                           StopCase{"spin_all_harts", SIGTERM, 4}, StopCase{"uart_flood", SIGTERM, 1},
                                           StopCase{"suspend_forever", SIGTERM, 2}),
                         [](const auto& instance) {
                           return std::string{instance.param.guest} + "_" + sigabbrev_np(instance.param.signal) +
                                  "_smp" + std::to_string(instance.param.smp);
                         });

class Stop : public KvmTest {};

TEST_F(Stop, ASignalRightAfterTheStartEndsItToo) {
  for (int i = 0; i < 10; ++i) {
    VmProcess vm{arguments("wfi_forever", 2), Console::kNullInput};
    usleep(static_cast<useconds_t>(i) * 4000);
    vm.signal(SIGTERM);
    EXPECT_TRUE(vm.ends_with(128 + SIGTERM)) << "after " << i * 4 << " ms";
  }
}

TEST_F(Stop, AGuestWhoseOutputNobodyReadsCanBeStopped) {
  VmProcess vm{arguments("uart_flood"), Console::kNoReader};
  ASSERT_TRUE(vm.lives_for(milliseconds{2000})) << vm.errors();
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(128 + SIGTERM, std::chrono::seconds{30}));
}

// Stands for a disk that never answers: a stop has to wait for this hart, and would for ever.
TEST_F(Stop, TheSecondSignalEndsAResetThatWaitsForEver) {
  VmProcess vm{arguments("reboot", 2)};
  ASSERT_TRUE(vm.expect("guest: booted"));
  ASSERT_TRUE(comes_to_four_threads(vm));
  pid_t hart = 0;
  for (int tries = 0; hart == 0 && tries < 500 && vm.lives_for(milliseconds{20}); ++tries)
    hart = thread_named(vm.pid(), "vcpu1");
  ASSERT_NE(hart, 0);
  ASSERT_EQ(::ptrace(PTRACE_SEIZE, hart, nullptr, nullptr), 0) << strerror(errno);
  ASSERT_EQ(::ptrace(PTRACE_INTERRUPT, hart, nullptr, nullptr), 0) << strerror(errno);
  int status = 0;
  ASSERT_EQ(::waitpid(hart, &status, __WALL), hart);
  EXPECT_TRUE(vm.send("c"));
  EXPECT_TRUE(vm.lives_for(milliseconds{1000}));
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.lives_for(milliseconds{1000}));
  vm.signal(SIGTERM);
  // A thread that is traced is waited for by its tracer, and the process only then.
  pid_t ended = 0;
  for (int tries = 0; ended == 0 && tries < 500; ++tries) {
    ended = ::waitpid(hart, &status, __WALL | WNOHANG);
    if (ended == 0) usleep(20'000);
  }
  EXPECT_EQ(ended, hart);
  if (ended == 0) {
    vm.signal(SIGKILL);
    ::waitpid(hart, &status, __WALL);
  }
  EXPECT_TRUE(vm.ends_with(128 + SIGTERM));
}

class NoInput : public KvmTest, public ::testing::WithParamInterface<Console> {};

TEST_P(NoInput, LetsTheGuestGoOnAndCostsNothing) {
  VmProcess vm{arguments("wfi_forever"), GetParam()};
  ASSERT_TRUE(vm.expect("guest: ready"));
  ASSERT_TRUE(vm.lives_for(milliseconds{500})) << vm.errors();
  const uint64_t before = cpu_ticks(vm.pid());
  ASSERT_TRUE(vm.lives_for(milliseconds{2000})) << vm.errors();
  // A tick is 10 ms: a loop that spins would use some 200.
  EXPECT_LE(cpu_ticks(vm.pid()) - before, 20U);
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(128 + SIGTERM));
}

INSTANTIATE_TEST_SUITE_P(Stdin, NoInput, ::testing::Values(Console::kNullInput, Console::kClosedInput),
                         [](const auto& instance) {
                           return std::string{instance.param == Console::kNullInput ? "dev_null" : "end_of_file"};
                         });

TEST_F(Stop, InputThatEndsLaterDoesNotEndTheGuest) {
  VmProcess vm{arguments("echo_hex")};
  ASSERT_TRUE(vm.expect("guest: ready"));
  ASSERT_TRUE(vm.send("a"));
  vm.close_input();
  ASSERT_TRUE(vm.expect("byte 0000000000000061"));
  EXPECT_TRUE(vm.lives_for(milliseconds{1000}));
}

}  // namespace
}  // namespace rvvmm::test::lifecycle_test

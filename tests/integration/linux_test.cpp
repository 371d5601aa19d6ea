// Debian kernels as guests. A boot costs seconds on the emulated host, so one boot carries many checks.
#include <gtest/gtest.h>

#include <signal.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>

#include "linux_guest.hpp"
#include "linux_test_case.hpp"
#include "process_facts.hpp"
#include "test_environment.hpp"

namespace rvvmm::test::linux_test {
namespace {

struct SessionCase {
  const char* kernel;
  unsigned smp;
};

void PrintTo(const SessionCase& test, std::ostream* out) {
  *out << test.kernel << ", smp " << test.smp;
}

// The guest's clock is the host's.
void check_date(LinuxGuest& guest) {
  const std::time_t before = std::time(nullptr);
  ASSERT_TRUE(guest.run("date -u +%s"));
  const std::time_t after = std::time(nullptr);
  const long long date = std::stoll(guest.output());
  EXPECT_GE(date, before - 3) << "the guest's clock is behind";
  EXPECT_LE(date, after + 3) << "the guest's clock is ahead";
}

class LinuxSession : public LinuxTest, public ::testing::WithParamInterface<SessionCase> {
 protected:
  /// On each host each kernel once, at sizes that differ between the hosts.
  bool is_left_to_others(const SessionCase& session) const {
    const bool is_612 = std::string{session.kernel} == "612";
    if (session.smp == 2) return is_left_to_other_hosts({"6.12:aia"});
    if (is_612 == (session.smp == 4)) return is_left_to_other_hosts({"6.12:none"});
    return is_612 ? is_left_to_other_hosts({"latest:aia", "6.12:aia"}) : is_left_to_other_hosts({"latest:aia"});
  }
};

TEST_P(LinuxSession, BootsToAShellWithAllHartsWorking) {
  const auto& [name, smp] = GetParam();
  if (is_left_to_others(GetParam())) GTEST_SKIP() << kOnlyInTheFullRun;
  LinuxGuest guest{{.kernel = kernel(name), .smp = smp}};
  StepClock clock;
  ASSERT_TRUE(guest.boots());
  clock.done("boot");
  check_date(guest);
  EXPECT_TRUE(guest.run("/tests/harts " + std::to_string(smp), 0, kBoot));
  clock.done("harts");
  EXPECT_TRUE(guest.run("/tests/time", 0, kBoot));
  clock.done("time");
  EXPECT_TRUE(guest.run("/tests/interrupts"));
  // KVM of Linux 6.12 loses the vCPU over an illegal instruction (docs/testing.md).
  if (environment().host_kernel != "6.12") {
    EXPECT_TRUE(guest.run("illegal", 128 + SIGILL));
  }
  clock.done("interrupts");
  check_paste(guest);
  clock.done("paste");
  // A hart that comes back is reset by the kernel, its scounteren too: user programs must still read the time.
  if (smp > 1) {
    EXPECT_TRUE(guest.run("/tests/hotplug 1 && /tests/hotplug 0 && /tests/time", 0, kBoot));
  }
  clock.done("hotplug");
  ASSERT_TRUE(guest.vm().send("poweroff -f\n"));
  EXPECT_TRUE(guest.vm().ends_with(0));
  clock.done("poweroff");
  EXPECT_EQ(guest.vm().errors(), "");
}

auto all_guests() {
  return ::testing::Values(SessionCase{"612", 1}, SessionCase{"612", 4}, SessionCase{"latest", 1},
                           SessionCase{"latest", 4});
}

std::string name_of_case(const ::testing::TestParamInfo<SessionCase>& instance) {
  return std::string{instance.param.kernel} + "_smp" + std::to_string(instance.param.smp);
}

INSTANTIATE_TEST_SUITE_P(Guests, LinuxSession, all_guests(), name_of_case);
INSTANTIATE_TEST_SUITE_P(TwoHarts, LinuxSession, ::testing::Values(SessionCase{"latest", 2}), name_of_case);

// Where the kernel forwards SBI's system suspend.
class LinuxSuspend : public LinuxTest, public ::testing::WithParamInterface<SessionCase> {
 protected:
  static constexpr const char* kSuspend = "echo mem > /sys/power/state";

  void SetUp() override {
    LinuxTest::SetUp();
    if (!IsSkipped() && environment().host_kernel == "6.12") GTEST_SKIP() << "Linux 6.12 has no system suspend";
  }

  /// The guest has been told to suspend, for the `count`th time: it does, and costs nothing.
  static void expect_asleep(LinuxGuest& guest, size_t count) {
    VmProcess& vm = guest.vm();
    for (int wait = 0; lines_with(vm, "has suspended the machine") < count && wait < 200; ++wait)
      ASSERT_TRUE(vm.lives_for(std::chrono::milliseconds{100}));
    ASSERT_EQ(lines_with(vm, "has suspended the machine"), count);
    ASSERT_TRUE(vm.lives_for(std::chrono::milliseconds{200}));
    const uint64_t before = cpu_ticks(vm.pid());
    ASSERT_TRUE(vm.lives_for(std::chrono::milliseconds{1000}));
    // A tick is 10 ms: a hart that runs would use some 100.
    EXPECT_LE(cpu_ticks(vm.pid()) - before, 20U);
  }

  static size_t lines_with(const VmProcess& vm, const std::string& text) {
    const std::string errors = vm.errors();
    size_t count = 0;
    for (size_t at = errors.find(text); at != std::string::npos; at = errors.find(text, at + 1))
      ++count;
    return count;
  }

  /// All is as it was before the machine slept.
  static void expect_awake(LinuxGuest& guest, unsigned harts) {
    ASSERT_TRUE(guest.end(0, kBoot));
    check_date(guest);
    EXPECT_TRUE(guest.run("/tests/harts " + std::to_string(harts), 0, kBoot));
    EXPECT_TRUE(guest.run("/tests/time", 0, kBoot));
    EXPECT_TRUE(guest.run("/tests/interrupts"));
  }
};

TEST_P(LinuxSuspend, SleepsForNothingAndWakesByInputSignalAndAlarm) {
  const auto& [name, smp] = GetParam();
  // By default with several harts, where interrupts come as messages, which they could lose.
  if (environment().full && smp == 2) GTEST_SKIP() << "the full run has four";
  if (!environment().full && smp != 2) GTEST_SKIP() << kOnlyInTheFullRun;
  const TemporaryFile record;
  LinuxGuest guest{
      {.kernel = kernel(name), .smp = smp, .options = {"--log-level", "vmm=info", "--flight-record", record.path()}}};
  StepClock clock;
  ASSERT_TRUE(guest.boots());
  clock.done("boot");
  ASSERT_TRUE(guest.begin(kSuspend));
  expect_asleep(guest, 1);
  ASSERT_TRUE(guest.vm().send("\n"));
  expect_awake(guest, smp);
  clock.done("input");
  ASSERT_TRUE(guest.begin(kSuspend));
  expect_asleep(guest, 2);
  guest.vm().signal(SIGUSR1);  // tells what harts did, and wakes nobody
  constexpr const char* kTold = "SIGUSR1: the last exits of each hart are in ";
  for (int wait = 0; lines_with(guest.vm(), kTold) == 0 && wait < 200; ++wait)
    ASSERT_TRUE(guest.vm().lives_for(std::chrono::milliseconds{100}));
  EXPECT_EQ(lines_with(guest.vm(), kTold), 1U);
  expect_asleep(guest, 2);
  EXPECT_NE(record.content().find("\"susp.system_suspend\""), std::string::npos);
  guest.vm().signal(SIGUSR2);
  expect_awake(guest, smp);
  clock.done("signal");
  ASSERT_TRUE(guest.begin(std::string{"rtc-alarm && "} + kSuspend));
  expect_awake(guest, smp);
  EXPECT_EQ(lines_with(guest.vm(), "has suspended the machine"), 3U);
  clock.done("alarm");
  guest.vm().signal(SIGUSR2);  // it does not sleep: nothing
  ASSERT_TRUE(guest.begin(kSuspend));
  expect_asleep(guest, 4);
  guest.vm().signal(SIGTERM);
  EXPECT_TRUE(guest.vm().ends_with(128 + SIGTERM));
}

INSTANTIATE_TEST_SUITE_P(Guests, LinuxSuspend,
                         ::testing::Values(SessionCase{"612", 4}, SessionCase{"latest", 1}, SessionCase{"612", 2}),
                         name_of_case);

// The user-space PLIC where the host would give us better.
class LinuxOnPlic : public LinuxSession {};

TEST_P(LinuxOnPlic, BootsAndTakesInput) {
  const auto& [name, smp] = GetParam();
  if (environment().host_irqchip == "none") GTEST_SKIP() << "the other sessions run on the PLIC on this host";
  const bool by_default = std::string{name} == "latest" && smp == 4 && !is_left_to_other_hosts({"latest:aia"});
  if (!by_default && !environment().full) GTEST_SKIP() << kOnlyInTheFullRun;
  LinuxGuest guest{{.kernel = kernel(name), .smp = smp, .options = {"--irqchip", "plic"}}};
  ASSERT_TRUE(guest.boots());
  EXPECT_TRUE(guest.run("grep -i plic /proc/interrupts"));
  EXPECT_TRUE(guest.run("/tests/harts " + std::to_string(smp), 0, kBoot));
  check_paste(guest);
  ASSERT_TRUE(guest.vm().send("finish 42\n"));
  EXPECT_TRUE(guest.vm().ends_with(42));
}

INSTANTIATE_TEST_SUITE_P(Guests, LinuxOnPlic, all_guests(), name_of_case);

class LinuxReboot : public LinuxTest, public ::testing::WithParamInterface<SessionCase> {};

TEST_P(LinuxReboot, BootsAgainInOneProcess) {
  const auto& [name, smp] = GetParam();
  // By default, reset_test resets a guest with all devices 200 times, and other tests reset Linux once.
  if (!environment().full) GTEST_SKIP() << kOnlyInTheFullRun;
  LinuxGuest guest{{.kernel = kernel(name), .smp = smp}};
  ASSERT_TRUE(guest.boots());
  size_t descriptors = 0;
  // What the second one leaves behind, the third one shows.
  for (int reboot = 1; reboot <= 3; ++reboot) {
    ASSERT_TRUE(guest.vm().send("reboot -f\n"));
    ASSERT_TRUE(guest.boots()) << "reboot " << reboot;
    ASSERT_TRUE(guest.run("[ $(nproc) = " + std::to_string(smp) + " ]")) << "reboot " << reboot;
    if (reboot == 1) descriptors = open_descriptors(guest.vm().pid());
  }
  EXPECT_EQ(open_descriptors(guest.vm().pid()), descriptors) << "descriptors leak across reboots";
  ASSERT_TRUE(guest.vm().send("poweroff -f\n"));
  EXPECT_TRUE(guest.vm().ends_with(0));
}

INSTANTIATE_TEST_SUITE_P(Guests, LinuxReboot, all_guests(), name_of_case);

// A console without anybody: the guest goes on, rvvmm does not look for input over and over, and a signal ends both.
class LinuxWithoutInput : public LinuxTest, public ::testing::WithParamInterface<Console> {};

TEST_P(LinuxWithoutInput, GoesOnAndCostsNothingUntilSigterm) {
  const bool by_default = GetParam() == Console::kClosedInput && !is_left_to_other_hosts();
  if (!by_default && !environment().full) GTEST_SKIP() << kOnlyInTheFullRun;
  VmProcess vm{{"--kernel", kernel("latest"), "--initrd", environment().guest_initrd, "--smp", "4", "--mem", "256M",
                "--append", "console=ttyS0 quiet nowatchdog rvvmm.test=beats"},
               GetParam()};
  ASSERT_TRUE(vm.expect("beat 2", kBoot));
  const uint64_t before = main_thread_ticks(vm.pid());
  ASSERT_TRUE(vm.expect("beat 5"));
  // Three seconds of the guest's; a tick is 10 ms, and a loop that spins would use some 300.
  EXPECT_LE(main_thread_ticks(vm.pid()) - before, 30U);
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(128 + SIGTERM));
}

INSTANTIATE_TEST_SUITE_P(Stdin, LinuxWithoutInput, ::testing::Values(Console::kNullInput, Console::kClosedInput),
                         [](const auto& instance) {
                           return std::string{instance.param == Console::kNullInput ? "dev_null" : "end_of_file"};
                         });

class LinuxLifecycle : public LinuxTest {};

TEST_F(LinuxLifecycle, APanicResetsAndNoRebootEndsThere) {
  if (is_left_to_other_hosts({"6.12:aia"})) GTEST_SKIP() << kOnlyInTheFullRun;
  LinuxGuest guest{{.kernel = kernel("latest"), .options = {"--no-reboot"}, .append = "panic=1"}};
  ASSERT_TRUE(guest.boots());
  ASSERT_TRUE(guest.vm().send("echo c >/proc/sysrq-trigger\n"));
  EXPECT_TRUE(guest.vm().ends_with(80));
}

// A guest that needs nobody at its console: stdin is /dev/null, the result is the status.
TEST_F(LinuxLifecycle, RunsAScriptWithoutInputAndReturnsItsStatus) {
  if (is_left_to_other_hosts({"6.12:none"})) GTEST_SKIP() << kOnlyInTheFullRun;
  const TestEnvironment& all = environment();
  VmProcess vm{{"--kernel", kernel("latest"), "--initrd", all.guest_initrd, "--mem", "256M", "--append",
                "console=ttyS0 quiet rvvmm.test=status rvvmm.status=7"},
               Console::kNullInput};
  EXPECT_TRUE(vm.ends_with(7, kBoot));
}

// The same objects with shared libraries: enough of a run to see that they load, and that what they do works.
TEST_F(LinuxLifecycle, TheDynamicBinaryBootsToo) {
  if (is_left_to_other_hosts({"latest:aia"})) GTEST_SKIP() << kOnlyInTheFullRun;
  const std::string program = environment().rvvmm + "-dynamic";
  ASSERT_TRUE(std::filesystem::exists(program)) << "rvvmm-dynamic is built, and installed, beside rvvmm";
  VmProcess hello{program, {"--kernel", environment().guest("hello"), "--mem", "64M"}, Console::kPipe};
  EXPECT_TRUE(hello.ends_with(0));
  EXPECT_EQ(hello.output(), "guest: hello\nguest: pass\n");
  VmProcess guest{program,
                  {"--kernel", kernel("latest"), "--initrd", environment().guest_initrd, "--mem", "256M", "--append",
                   "console=ttyS0 quiet rvvmm.test=status rvvmm.status=7"},
                  Console::kNullInput};
  EXPECT_TRUE(guest.ends_with(7, kBoot));
}

TEST_F(LinuxLifecycle, IdleAtThePromptCostsNextToNothing) {
  if (!environment().full) GTEST_SKIP() << kOnlyInTheFullRun;
  LinuxGuest guest{{.kernel = kernel("latest"), .smp = 4}};
  ASSERT_TRUE(guest.boots());
  ASSERT_TRUE(guest.vm().lives_for(std::chrono::seconds{5}));
  const uint64_t before = cpu_ticks(guest.vm().pid());
  ASSERT_TRUE(guest.vm().lives_for(std::chrono::seconds{10}));
  EXPECT_LE(cpu_ticks(guest.vm().pid()) - before, 300U) << "ticks of 10 ms, over 10 s";
}

// configs/*.conf are what people start from: each boots.
class Configs : public LinuxTest {};

TEST_F(Configs, BootToUserSpace) {
  if (is_left_to_other_hosts({"6.12:aia"})) GTEST_SKIP() << kOnlyInTheFullRun;
  const TestEnvironment& all = environment();
  const auto boots_by_default = [](const std::string& name) { return name == "minimal.conf"; };
  ASSERT_TRUE(std::filesystem::is_directory(all.configs)) << all.configs;
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator{all.configs}) {
    if (entry.path().extension() != ".conf") continue;
    ++count;
    SCOPED_TRACE(entry.path());
    if (!all.full && !boots_by_default(entry.path().filename())) {
      VmProcess accepted{{"--config", entry.path(), "--kernel", kernel("latest"), "--dump-dtb", "/dev/null"}};
      EXPECT_TRUE(accepted.ends_with(0, kBoot));
      continue;
    }
    VmProcess vm{{"--config", entry.path(), "--kernel", kernel("latest"), "--initrd", all.guest_initrd, "--append",
                  "console=ttyS0 quiet rvvmm.test=status rvvmm.status=9"},
                 Console::kNullInput};
    EXPECT_TRUE(vm.ends_with(9, kBoot));
  }
  EXPECT_GE(count, 4);
}

}  // namespace
}  // namespace rvvmm::test::linux_test

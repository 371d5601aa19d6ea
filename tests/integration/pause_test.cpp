// Ctrl-A p: the machine stands still and goes on, whatever its harts and devices do at that moment.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "../pattern.hpp"
#include "linux_test_case.hpp"
#include "process_facts.hpp"
#include "web_server.hpp"

namespace rvvmm::test::pause_test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPauseKey = "\x01p";
constexpr const char* kPaused = "rvvmm: the machine is paused";
constexpr const char* kGoesOn = "rvvmm: the machine goes on";

/// Presses the key, and waits until rvvmm says that it was obeyed.
class Pauses {
 public:
  explicit Pauses(VmProcess& vm) : vm_(vm) {}

  ::testing::AssertionResult pause() { return press(kPaused); }
  ::testing::AssertionResult go_on() { return press(kGoesOn); }

 private:
  /// Leaves the console unread.
  ::testing::AssertionResult press(std::string_view answer) {
    vm_.send_unread(kPauseKey);
    const auto end = std::chrono::steady_clock::now() + kSoon;
    do {
      const std::string said = vm_.errors(seen_);
      if (const size_t at = said.find(answer); at != std::string::npos) {
        seen_ += at + answer.size();
        return ::testing::AssertionSuccess();
      }
      if (has_ended()) return ::testing::AssertionFailure() << "it has ended";
      std::this_thread::sleep_for(1ms);
    } while (std::chrono::steady_clock::now() < end);
    return ::testing::AssertionFailure() << "no " << answer << " in\n" << vm_.errors(seen_);
  }

  bool has_ended() const {
    siginfo_t ended{};
    return ::waitid(P_PID, static_cast<id_t>(vm_.pid()), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0;
  }

  VmProcess& vm_;
  size_t seen_ = 0;  // bytes of stderr
};

class Pause : public KvmTest {
 protected:
  std::vector<std::string> arguments(const std::string& guest, unsigned smp = 1) const {
    return {"--kernel", environment().guest(guest), "--mem", "64M", "--smp", std::to_string(smp)};
  }
};

TEST_F(Pause, InputWaitsUntilTheGuestGoesOn) {
  VmProcess vm{arguments("echo_hex"), Console::kPty};
  Pauses pauses{vm};
  ASSERT_TRUE(vm.expect("guest: ready"));
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(pauses.pause());
    ASSERT_TRUE(vm.send("z"));
    ASSERT_TRUE(vm.lives_for(200ms));
    const size_t bytes = static_cast<size_t>(round);
    size_t seen = 0;
    for (size_t at = vm.output().find("7a"); at != std::string::npos; at = vm.output().find("7a", at + 1))
      ++seen;
    ASSERT_EQ(seen, bytes);
    ASSERT_TRUE(pauses.go_on());
    ASSERT_TRUE(vm.expect("byte 000000000000007a"));
  }
  ASSERT_TRUE(vm.send("\x01x"));
  EXPECT_TRUE(vm.ends_with(0));
}

TEST_F(Pause, AVmThatIsPausedCostsNothingAndEnds) {
  VmProcess vm{arguments("spin_all_harts", 4), Console::kPty};
  Pauses pauses{vm};
  ASSERT_TRUE(vm.lives_for(300ms));
  ASSERT_TRUE(pauses.pause());
  const uint64_t before = cpu_ticks(vm.pid());
  ASSERT_TRUE(vm.lives_for(1s));
  EXPECT_LE(cpu_ticks(vm.pid()) - before, 20U) << "four harts that run take 200";
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(128 + SIGTERM));
}

/// What harts may do when they are told to pause.
class PausedHarts : public Pause, public ::testing::WithParamInterface<const char*> {};

TEST_P(PausedHarts, RestAndGoOn) {
  VmProcess vm{arguments(GetParam(), 4), Console::kPty};
  Pauses pauses{vm};
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(pauses.pause());
    ASSERT_TRUE(vm.lives_for(5ms));
    ASSERT_TRUE(pauses.go_on());
    ASSERT_TRUE(vm.lives_for(round % 2 == 0 ? 1ms : 30ms));
  }
  ASSERT_TRUE(vm.send("\x01x"));
  EXPECT_TRUE(vm.ends_with(0)) << vm.errors();
}

INSTANTIATE_TEST_SUITE_P(Guests, PausedHarts,
                         ::testing::Values("spin_all_harts", "wfi_forever", "suspend_forever", "quiet_suspend_forever",
                                           "uart_flood"),
                         [](const auto& guest) { return std::string{guest.param}; });

/// Guests that check themselves, through pauses all the time.
class PausedChecks : public Pause, public ::testing::WithParamInterface<const char*> {};

TEST_P(PausedChecks, FindNothingChanged) {
  VmProcess vm{arguments(GetParam(), 4), Console::kPty};
  Pauses pauses{vm};
  size_t count = 0;
  while (!vm.wait(20ms) && pauses.pause() && pauses.go_on())
    ++count;
  EXPECT_TRUE(vm.ends_with(0)) << vm.errors();
  EXPECT_GT(count, 0U);
  std::printf("    %zu pauses\n", count);
}

INSTANTIATE_TEST_SUITE_P(Guests, PausedChecks,
                         ::testing::Values("hsm", "registers", "smp_start", "mmio_widths", "mmio_widths_paged"),
                         [](const auto& guest) { return std::string{guest.param}; });

TEST_F(Pause, OutputThatNobodyReadsDelaysNothing) {
  VmProcess vm{arguments("uart_flood", 2), Console::kPty};
  std::this_thread::sleep_for(500ms);  // the terminal and rvvmm's own buffers are full
  Pauses pauses{vm};
  for (int pause = 0; pause < 5; ++pause) {
    ASSERT_TRUE(pauses.pause());
    ASSERT_TRUE(pauses.go_on());
  }
  ASSERT_TRUE(vm.send("\x01x"));
  EXPECT_TRUE(vm.ends_with(0));
}

/// How far the guest's clock and the host's go between one look and the next, in seconds. The host's time includes that
/// of both looks.
class Clocks {
 public:
  explicit Clocks(LinuxGuest& guest) : guest_(guest) {}

  void look() {
    const auto began = std::chrono::steady_clock::now();
    ASSERT_TRUE(guest_.run("cut -d' ' -f1 /proc/uptime"));
    const double uptime = std::stod(guest_.output());
    guest_passed_ = uptime - uptime_;
    host_passed_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    uptime_ = uptime;
    began_ = began;
  }
  double guest() const { return guest_passed_; }
  double host() const { return host_passed_; }

 private:
  LinuxGuest& guest_;
  double uptime_ = 0, guest_passed_ = 0, host_passed_ = 0;
  std::chrono::steady_clock::time_point began_;
};

class PausedLinux : public LinuxTest, public ::testing::WithParamInterface<unsigned> {
 protected:
  /// What the guest has written in the order in which it wrote it: no line is missing.
  static void expect_all_lines(const std::string& output) {
    constexpr std::string_view kLine = "load: line ";
    uint64_t expected = 1;
    for (size_t at = output.find(kLine); at != std::string::npos; at = output.find(kLine, at + 1), ++expected) {
      uint64_t number = 0;
      const char* const begin = output.data() + at + kLine.size();
      std::from_chars(begin, output.data() + output.size(), number);
      ASSERT_EQ(number, expected) << "behind:\n" << end_of(std::string_view{output}.substr(0, at));
    }
    EXPECT_GT(expected, 100U);
  }
  static void show_times(const std::string& errors) {
    std::vector<uint64_t> times;
    constexpr std::string_view kTime = "quiet after ";
    for (size_t at = errors.find(kTime); at != std::string::npos; at = errors.find(kTime, at + 1)) {
      uint64_t us = 0;
      std::from_chars(errors.data() + at + kTime.size(), errors.data() + errors.size(), us);
      times.push_back(us);
    }
    ASSERT_FALSE(times.empty());
    std::ranges::sort(times);
    std::printf("    %zu pauses, quiet after %llu us (half of them), %llu us (99 of 100), %llu us (all)\n",
                times.size(), static_cast<unsigned long long>(times[times.size() / 2]),
                static_cast<unsigned long long>(times[times.size() * 99 / 100]),
                static_cast<unsigned long long>(times.back()));
  }
};

// A pause each 60 ms while the guest boots and while everything in it works; then a long one.
TEST_P(PausedLinux, UnderLoadLosesNothing) {
  if (is_left_to_other_hosts({"latest:aia"})) GTEST_SKIP() << kOnlyInTheFullRun;
  const TemporaryFile disk{pattern(size_t{1} << 20)};
  std::filesystem::resize_file(disk.path(), size_t{16} << 20);
  const WebServer server{pattern((size_t{1} << 18) + 1)};
  LinuxGuest guest{{.kernel = kernel("latest"),
                    .smp = GetParam(),
                    .options = {"--disk", disk.path(), "--net", "user", "--rng", "--log-level", "vmm=debug"},
                    .console = Console::kPty}};
  VmProcess& vm = guest.vm();
  StepClock clock;
  const size_t while_it_boots = 20;
  const size_t under_load = environment().full ? 10'000 : 100;
  Pauses pauses{vm};
  for (size_t i = 0; i < while_it_boots; ++i) {
    ASSERT_TRUE(vm.lives_for(150ms));
    ASSERT_TRUE(pauses.pause());
    ASSERT_TRUE(pauses.go_on());
  }
  ASSERT_TRUE(guest.boots());
  clock.done("boot");
  Clocks clocks{guest};
  clocks.look();
  ASSERT_TRUE(guest.begin("/tests/load " + std::to_string(server.port()), kBoot));
  ASSERT_TRUE(vm.expect("load: line 50", kBoot));
  // On a host that is busy a pause takes long; the guest runs for at least as long.
  auto last = 30ms;
  for (size_t i = 0; i < under_load; ++i) {
    ASSERT_TRUE(vm.lives_for(last));
    const auto began = std::chrono::steady_clock::now();
    ASSERT_TRUE(pauses.pause());
    ASSERT_TRUE(pauses.go_on());
    last = std::max(30ms, std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - began));
  }
  ASSERT_TRUE(vm.send("\n"));
  ASSERT_TRUE(guest.end(0, kBoot));
  EXPECT_NE(guest.output().find("load: timers"), std::string::npos);
  std::printf("%s", guest.output().substr(guest.output().find("load: disk")).c_str());
  expect_all_lines(vm.output());
  show_times(vm.errors());
  clock.done("load");
  clocks.look();
  EXPECT_LE(clocks.guest(), clocks.host()) << "guest time has jumped";
  ASSERT_TRUE(pauses.pause());
  ASSERT_TRUE(vm.lives_for(5s));
  ASSERT_TRUE(pauses.go_on());
  clocks.look();
  EXPECT_LE(clocks.guest(), clocks.host() - 4.9) << "guest time has not stood still";
  ASSERT_TRUE(vm.send("poweroff -f\n"));
  EXPECT_TRUE(vm.ends_with(0));
}

INSTANTIATE_TEST_SUITE_P(Harts, PausedLinux, ::testing::Values(4U),
                         [](const auto& smp) { return "smp" + std::to_string(smp.param); });

}  // namespace
}  // namespace rvvmm::test::pause_test

// What a guest writes, by whichever way, comes out whole, in order, soon, and in few write(2) calls.
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>

#include "process_facts.hpp"
#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::console_output_test {
namespace {

using std::chrono::milliseconds;

std::vector<std::string> arguments(const std::string& guest) {
  return {"--kernel", TestEnvironment::get().guest(guest), "--mem", "64M"};
}

class ConsoleOrder : public KvmTest, public ::testing::WithParamInterface<milliseconds> {};

// UART, DBCN write and write_byte, and batches in turn. A late reader fills the pipe and both of rvvmm's buffers.
TEST_P(ConsoleOrder, IsThatOfTheGuestsWrites) {
  VmProcess vm{arguments("console_order")};
  ::usleep(static_cast<useconds_t>(std::chrono::microseconds{GetParam()}.count()));
  ASSERT_TRUE(vm.ends_with(0));
  std::string expected;
  char line[9];
  for (unsigned number = 0; number < 32768; ++number) {
    std::snprintf(line, sizeof line, "%07x\n", number);
    expected += line;
  }
  expected += "guest: pass\n";
  const auto [found, wanted] = std::ranges::mismatch(vm.output(), expected);
  EXPECT_TRUE(found == vm.output().end() && wanted == expected.end())
      << vm.output().size() << " bytes, not " << expected.size() << "; first difference at "
      << wanted - expected.begin();
}

INSTANTIATE_TEST_SUITE_P(Reader, ConsoleOrder, ::testing::Values(milliseconds{0}, milliseconds{2000}),
                         [](const auto& instance) {
                           return std::string{instance.param.count() == 0 ? "prompt" : "late"};
                         });

class ConsoleKilled : public KvmTest {};

TEST_F(ConsoleKilled, HasAllThatTheGuestWroteAMomentBefore) {
  const std::string expected = "uart|dbcn write|" + std::string(4096, 'x') + "dbcn bytes|batch, and no newline";
  for (int round = 0; round < 4; ++round) {
    VmProcess vm{arguments("console_killed")};
    for (int tries = 0; vm.errors().find("half a second has passed") == std::string::npos; ++tries) {
      ASSERT_LT(tries, 200'000) << vm.errors();
      ::usleep(100);
    }
    vm.signal(SIGKILL);
    ASSERT_TRUE(vm.ends_with(128 + SIGKILL));
    EXPECT_EQ(vm.output().size(), expected.size()) << "in round " << round;
    EXPECT_TRUE(expected.starts_with(vm.output())) << "in round " << round;
  }
}

struct Cost {
  std::optional<uint64_t> exits;  // where KVM's counters can be read
  uint64_t writes;
  uint64_t ticks;  // of the guest's clock
};

constexpr uint64_t kBytes = 16 * 1024;
constexpr uint64_t kTicksPerMs = 10'000;

std::optional<uint64_t> exits_to_rvvmm(pid_t pid) {
  const auto mmio = kvm_counter(pid, "mmio_exit_user");
  const auto ecalls = kvm_counter(pid, "ecall_exit_stat");  // the guest makes none that the kernel answers
  if (!mmio || !ecalls) return std::nullopt;
  return *mmio + *ecalls;
}

class ConsoleCost : public KvmTest {
 protected:
  // The next of the guest's ways, which has to be `name`.
  Cost next(const std::string& name) {
    EXPECT_TRUE(vm_.expect("guest: " + name + "\n"));
    const auto exits_before = exits_to_rvvmm(vm_.pid());
    const uint64_t writes_before = write_calls(vm_.pid(), "io-console");
    EXPECT_TRUE(vm_.expect("."));
    const uint64_t writes = write_calls(vm_.pid(), "io-console") - writes_before;
    const auto exits = exits_to_rvvmm(vm_.pid());
    EXPECT_TRUE(vm_.expect_match(" ticks 0x([0-9a-f]+)\n"));
    uint64_t ticks = 0;
    const std::string digits = vm_.matches().empty() ? "" : vm_.matches()[1];
    std::from_chars(digits.data(), digits.data() + digits.size(), ticks, 16);
    const Cost cost{
        .exits = exits ? std::optional{*exits - *exits_before} : std::nullopt, .writes = writes, .ticks = ticks};
    const double kibs = static_cast<double>(kBytes) / 1024;
    std::printf("%s: %.2f exits, %.2f write(2) calls, %.2f ms a KiB\n", name.c_str(),
                cost.exits ? static_cast<double>(*cost.exits) / kibs : -1.0, static_cast<double>(writes) / kibs,
                static_cast<double>(ticks) / kibs / kTicksPerMs);
    return cost;
  }

  // No write(2) sooner than 2 ms behind the one before, but of half a buffer; one may be under way at either end.
  static uint64_t most_writes(const Cost& cost) { return cost.ticks / (2 * kTicksPerMs) + kBytes / (8 * 1024) + 2; }

 private:
  VmProcess vm_{arguments("console_cost")};
};

TEST_F(ConsoleCost, IsOneWriteForManyBytesAndOneForALargeCall) {
  if (!counts_write_calls())
    GTEST_SKIP() << "skipped: this kernel does not count write calls (CONFIG_TASK_IO_ACCOUNTING)";
  struct Way {
    const char* name;
    uint64_t calls;
    uint64_t writes_at_most;
  };
  for (const Way& way : {Way{"UART, byte by byte", kBytes, kBytes / 4}, Way{"DBCN, byte by byte", kBytes, kBytes / 4},
                         Way{"DBCN, 64 bytes a call", kBytes / 64, kBytes / 64}, Way{"DBCN, 4 KiB a call", 4, 4}}) {
    const Cost cost = next(way.name);
    EXPECT_GE(cost.writes, 1U) << way.name;
    EXPECT_LE(cost.writes, way.writes_at_most) << way.name;
    EXPECT_LE(cost.writes, most_writes(cost)) << way.name << ", " << cost.ticks << " ticks";
    EXPECT_EQ(cost.exits.value_or(way.calls), way.calls) << way.name;
  }
}

}  // namespace
}  // namespace rvvmm::test::console_output_test

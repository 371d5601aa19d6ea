// Hart State Management in user space, by tests/guests/hsm.c, and what of it is seen from outside.
#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "process_facts.hpp"
#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::hsm_test {
namespace {

using std::chrono::milliseconds;

class Hsm : public KvmTest {
 protected:
  std::vector<std::string> arguments(const std::string& guest, int harts) const {
    return {"--kernel", environment().guest(guest), "--mem", "64M", "--smp", std::to_string(harts)};
  }
};

TEST_F(Hsm, AgreesWithTheKernelsAndLosesNothingInAStorm) {
  VmProcess vm{arguments("hsm", 4)};
  EXPECT_TRUE(vm.ends_with(0, kBoot));
}

TEST_F(Hsm, LosesNothingInAMinute) {
  if (!environment().full) GTEST_SKIP() << "only with RVVMM_TEST_FULL=1";
  VmProcess vm{arguments("hsm_minute", 4)};
  EXPECT_TRUE(vm.ends_with(0, std::chrono::seconds{300}));
}

TEST_F(Hsm, ASuspendedHartCostsNothing) {
  VmProcess vm{arguments("suspend_forever", 1), Console::kNullInput};
  ASSERT_TRUE(vm.expect("guest: ready"));
  ASSERT_TRUE(vm.lives_for(milliseconds{500})) << vm.errors();
  const uint64_t before = cpu_ticks(vm.pid());
  ASSERT_TRUE(vm.lives_for(milliseconds{2000})) << vm.errors();
  // A tick is 10 ms: a hart that polls would use some 200.
  EXPECT_LE(cpu_ticks(vm.pid()) - before, 20U);
}

// The kernel's own suspend, which a signal for the hart's thread would end; and the time CSR of a guest that does not
// set it (docs/kvm-quirks.md).
TEST_F(Hsm, NothingButAnInterruptEndsTheKernelsSuspend) {
  VmProcess vm{arguments("quiet_suspend", 3)};
  EXPECT_TRUE(vm.ends_with(0, kBoot)) << vm.output();
}

TEST_F(Hsm, AGuestWhoseHartsSleepWakesNobody) {
  VmProcess vm{arguments("quiet_suspend_forever", 3), Console::kNullInput};
  ASSERT_TRUE(vm.expect("guest: all sleep", kBoot));
  ASSERT_TRUE(vm.lives_for(milliseconds{500})) << vm.errors();
  const auto sleeps_of_all = [&] {
    std::vector<std::optional<uint64_t>> all;
    for (const char* const thread : {"rvvmm", "vcpu0", "vcpu1", "vcpu2"})
      all.push_back(sleeps(vm.pid(), thread));
    return all;
  };
  const auto before = sleeps_of_all();
  for (const auto& count : before)
    EXPECT_TRUE(count);
  ASSERT_TRUE(vm.lives_for(milliseconds{2000})) << vm.errors();
  EXPECT_EQ(sleeps_of_all(), before);
}

}  // namespace
}  // namespace rvvmm::test::hsm_test

// Hart State Management in user space, by tests/guests/hsm.c, and what of it is seen from outside.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace rvvmm::test::hsm_test

// A guest that suspends the whole machine, and what wakes it: tests/guests/susp_wake.c, and doorbell.c whose disk does.
// That Linux guests sleep and wake is in linux_test.cpp.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "process_facts.hpp"
#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::system_suspend_test {
namespace {

using std::chrono::milliseconds;

class SystemSuspend : public KvmTest {
 protected:
  void SetUp() override {
    KvmTest::SetUp();
    if (!IsSkipped() && environment().host_kernel == "6.12") GTEST_SKIP() << "Linux 6.12 has no system suspend";
  }
  std::vector<std::string> arguments(const std::string& guest) const {
    return {"--kernel", environment().guest(guest), "--mem", "64M"};
  }
};

TEST_F(SystemSuspend, EveryInterruptThatIsEnabledWakes) {
  VmProcess vm{arguments("susp_wake"), Console::kNullInput};
  // A quarter of a second and more: the guest fails where it was shorter.
  for (const char* const line :
       {"guest: no timer", "guest: a timer in 50,000 years", "guest: a timer that is not enabled"}) {
    ASSERT_TRUE(vm.expect(line)) << line;
    const uint64_t before = cpu_ticks(vm.pid());
    ASSERT_TRUE(vm.lives_for(milliseconds{1000})) << line;
    EXPECT_LE(cpu_ticks(vm.pid()) - before, 30U) << "ticks of 10 ms: it sleeps for nothing";
    vm.signal(SIGUSR2);
  }
  EXPECT_TRUE(vm.ends_with(0)) << vm.output();
}

// Its answer comes before the machine falls asleep, while it does, or in its sleep.
TEST_F(SystemSuspend, TheInterruptOfADiskWakesWheneverItComes) {
  if (environment().host_irqchip == "none") GTEST_SKIP() << "the guest's disk sends messages";
  const TemporaryFile image;
  std::filesystem::resize_file(image.path(), 1U << 20);
  auto with_disk = arguments("suspend_disk");
  with_disk.insert(with_disk.end(), {"--disk", image.path()});
  VmProcess vm{with_disk, Console::kNullInput};
  EXPECT_TRUE(vm.ends_with(0, kBoot)) << vm.output();
}

}  // namespace
}  // namespace rvvmm::test::system_suspend_test

#include "vmm/vm.hpp"

#include <gtest/gtest.h>

#include <format>
#include <optional>

#include "base/error.hpp"
#include "fakes/fake_hypervisor.hpp"

namespace rvvmm::vm_test {
namespace {

TEST(Vm, MoreHartsThanKvmAllowsAreRefusedWithTheMost) {
  FakeHypervisor hypervisor;
  BootTimeline timeline{std::nullopt};
  Config config;
  config.smp = hypervisor.max_vcpus() + 1;
  try {
    const Vm vm{config, hypervisor, timeline};
    FAIL() << "nothing was refused";
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kUsage);
    EXPECT_EQ(error.what(), std::format("--smp {}: KVM allows at most {} vCPUs here", config.smp, config.smp - 1));
  }
}

}  // namespace
}  // namespace rvvmm::vm_test

#include "vmm/harts/cpu_affinity.hpp"

#include <gmock/gmock.h>
#include <sched.h>

#include <array>
#include <cstdint>
#include <thread>

#include "base/error.hpp"

namespace rvvmm::cpu_affinity_test {
namespace {

using ::testing::StartsWith;

std::string refusal_of(std::span<const uint32_t> cpus) {
  try {
    check_cpu_affinity(cpus);
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kUsage);
    return error.what();
  }
  return {};
}

/// The only CPU that the calling thread may use from now on.
uint32_t keep_one_cpu() {
  const int cpu = ::sched_getcpu();
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  EXPECT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
  return static_cast<uint32_t>(cpu);
}

TEST(CpuAffinity, NoListIsAnyCpu) {
  EXPECT_EQ(refusal_of({}), "");
}

TEST(CpuAffinity, OnlyAllowedCpusAreTaken) {
  // In a thread, whose mask goes with it.
  std::jthread{[] {
    const uint32_t mine = keep_one_cpu();
    EXPECT_EQ(refusal_of(std::array{mine, mine}), "");
    EXPECT_EQ(refusal_of(std::array{mine, mine + 1}),
              std::format("--cpu-affinity {}: no such host CPU for rvvmm; it may use 1 of them, see nproc and "
                          "taskset -p $$",
                          mine + 1));
  }};
}

TEST(CpuAffinity, NumbersBehindTheSetAreRefusedNotLookedUp) {
  for (const uint32_t cpu : {uint32_t{CPU_SETSIZE}, 4095U, UINT32_MAX}) {
    EXPECT_THAT(refusal_of(std::array{cpu}), StartsWith(std::format("--cpu-affinity {}: no such", cpu)));
  }
}

}  // namespace
}  // namespace rvvmm::cpu_affinity_test

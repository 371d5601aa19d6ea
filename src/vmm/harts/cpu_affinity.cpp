#include "vmm/harts/cpu_affinity.hpp"

#include <sched.h>

#include <cerrno>
#include <format>

#include "base/error.hpp"

namespace rvvmm {

void check_cpu_affinity(std::span<const uint32_t> cpus) {
  if (cpus.empty()) return;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
    throw SetupError::from_errno(ExitStatus::kInternal, "--cpu-affinity: sched_getaffinity", errno);
  }
  for (const uint32_t cpu : cpus) {
    if (cpu < CPU_SETSIZE && CPU_ISSET(cpu, &allowed)) continue;
    throw SetupError{ExitStatus::kUsage,
                     std::format("--cpu-affinity {}: no such host CPU for rvvmm; it may use {} of them, see nproc and "
                                 "taskset -p $$",
                                 cpu, CPU_COUNT(&allowed))};
  }
}

}  // namespace rvvmm

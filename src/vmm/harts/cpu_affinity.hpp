// Host CPUs that harts may be pinned to.
#pragma once

#include <cstdint>
#include <span>

namespace rvvmm {

/// Throws SetupError (kUsage) that names the first of `cpus` on which this process may not run.
void check_cpu_affinity(std::span<const uint32_t> cpus);

}  // namespace rvvmm

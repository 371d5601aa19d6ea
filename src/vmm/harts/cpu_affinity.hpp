// Host CPUs that harts may be pinned to.
#pragma once

#include <cstdint>
#include <span>

namespace rvvmm {

/// Throws SetupError (kUsage) naming the first of `cpus` that this process may not run on.
void check_cpu_affinity(std::span<const uint32_t> cpus);

}  // namespace rvvmm

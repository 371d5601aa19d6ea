// Limits of the host on this process, which many harts or queues can exceed.
#pragma once

#include <cstdint>

namespace rvvmm {

/// Raises the soft limit of open files (RLIMIT_NOFILE, commonly 1024 in a shell) if `harts` vCPUs, with one descriptor
/// each, and `devices` descriptors of disks and network devices need it. If the hard limit is too low, throws
/// SetupError (kUsage) with the largest number of harts that fits.
void make_room_for_descriptors(uint32_t harts, uint32_t devices);

}  // namespace rvvmm

// Limits that the host puts on this process and that many harts or queues run into.
#pragma once

#include <cstdint>

namespace rvvmm {

/// Raises the soft limit of open files (RLIMIT_NOFILE) if `harts` vCPUs, each of which is a descriptor, and `devices`
/// descriptors of disks and network devices need it: shells commonly give 1024. Throws SetupError (kUsage) with the
/// most harts that fit where the hard limit is too low.
void make_room_for_descriptors(uint32_t harts, uint32_t devices);

}  // namespace rvvmm

// Limits that the host puts on this process and that many harts run into.
#pragma once

#include <cstdint>

namespace rvvmm {

/// Raises the soft limit of open files (RLIMIT_NOFILE) if `harts` vCPUs need it: each is a descriptor, and shells
/// commonly give 1024. Throws SetupError (kUsage) with the most harts that fit where the hard limit is too low.
void make_room_for_vcpus(uint32_t harts);

}  // namespace rvvmm

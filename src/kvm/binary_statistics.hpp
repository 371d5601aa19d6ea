// KVM's binary statistics of a VM or a vCPU.
#pragma once

#include <vector>

#include "base/hypervisor.hpp"

namespace rvvmm {

/// All of them, by KVM's names, from the descriptor of KVM_GET_STATS_FD (api.rst, 4.134); nothing where it cannot be
/// read or is not what that says.
std::vector<Statistic> read_statistics(int stats_fd);

}  // namespace rvvmm

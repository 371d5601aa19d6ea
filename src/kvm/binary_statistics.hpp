// KVM's binary statistics of a VM or a vCPU.
#pragma once

#include <vector>

#include "base/hypervisor.hpp"

namespace rvvmm {

/// Reads all statistics, with KVM's names, from the descriptor of KVM_GET_STATS_FD (api.rst, 4.134). Empty if it cannot
/// be read or does not have that format.
std::vector<Statistic> read_statistics(int stats_fd);

}  // namespace rvvmm

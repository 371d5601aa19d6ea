// What a hart of this host's KVM offers, read from its registers rather than from the host's own description.
#pragma once

#include "base/hypervisor.hpp"

namespace rvvmm {

/// Reads the vCPU's registers. `with_aia`: whether the guest gets an in-kernel AIA, without which it must not be
/// told of Ssaia (it would use CSRs that nobody answers). Throws SetupError naming the register that is missing.
CpuDescription describe_cpu(int vcpu_fd, bool with_aia);

}  // namespace rvvmm

// What a vCPU of this host's KVM offers. It is read from the vCPU's registers, not from the host's description of its
// CPUs.
#pragma once

#include "base/hypervisor.hpp"

namespace rvvmm {

/// Reads the vCPU's registers. `with_aia`: whether the guest gets an in-kernel AIA. Without it the guest must not see
/// Ssaia, because it would use CSRs that nothing answers. Throws a SetupError that names the missing register.
CpuDescription describe_cpu(int vcpu_fd, bool with_aia);

}  // namespace rvvmm

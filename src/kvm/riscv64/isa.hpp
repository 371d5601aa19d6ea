// What a vCPU of this host's KVM offers. It is read from the vCPU's registers, not from the host's description of its
// CPUs.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/hypervisor.hpp"

namespace rvvmm {

/// Reads the vCPU's registers. `with_aia`: whether the guest gets an in-kernel AIA. Without it the guest must not see
/// Ssaia, because it would use CSRs that nothing answers. Throws a SetupError that names the missing register.
CpuDescription describe_cpu(int vcpu_fd, bool with_aia);

/// Lower case; empty if rvvmm does not know the extension. `kvm_id`: its number in KVM's ABI.
std::string_view isa_extension_name(uint32_t kvm_id) noexcept;

}  // namespace rvvmm

// Which SBI extensions KVM hands to us instead of refusing them.
#pragma once

namespace rvvmm {

/// Enables the extensions of the SBI table that KVM keeps off by default. Before the vCPU's first run, and on every
/// vCPU: a guest probes on one hart and calls from another. An old kernel that lacks one is logged; the guest then
/// does not find it.
void forward_sbi_calls(int vcpu_fd);

}  // namespace rvvmm

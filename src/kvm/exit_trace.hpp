// An exit as text, for the log. With `--log-level kvm=trace` the log has every exit.
#pragma once

#include <linux/kvm.h>

#include <string>

namespace rvvmm {

/// What the guest asked for and what it gets, in one line without hart and pc: "mmio read, 1 byte at 0x10000005: 0x60".
/// The exit's handler must have run, and KVM must not have completed the exit yet.
std::string describe_exit(const kvm_run& run);

}  // namespace rvvmm

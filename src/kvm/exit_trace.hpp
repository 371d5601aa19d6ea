// What an exit was, in words: for the log, where `kvm=trace` asks for every one of them.
#pragma once

#include <linux/kvm.h>

#include <string>

namespace rvvmm {

/// What the guest asked for and what it gets, in one line without hart and pc: "mmio read, 1 byte at 0x10000005: 0x60".
/// For an exit whose handler has run, and that KVM has not yet completed.
std::string describe_exit(const kvm_run& run);

}  // namespace rvvmm

// Error lines for a host whose KVM rvvmm cannot use. Each names what is wrong and what would be right.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.hpp"
#include "base/range.hpp"

namespace rvvmm {

/// Whether the host's CPUs have the hypervisor extension. KVM needs it.
enum class HypervisorExtension : uint8_t { kPresent, kAbsent, kUnknown };

/// From the text of /proc/cpuinfo: the ISA strings of its lines "isa" and "hart isa". Absent if one of them lacks H,
/// because KVM needs it on every hart. Unknown if there is no such line.
HypervisorExtension hypervisor_extension(std::string_view cpuinfo) noexcept;

/// open(path) failed with errno_value.
SetupError cannot_open_kvm(std::string_view path, int errno_value, HypervisorExtension extension);

/// `path` was opened, but does not answer KVM_GET_API_VERSION.
SetupError is_not_kvm(std::string_view path);

/// KVM_GET_API_VERSION returned `version`.
SetupError wrong_kvm_api(std::string_view path, int version);

/// KVM_GET_ONE_REG failed for the register that `name` describes: the kernel is older than the register.
SetupError register_is_missing(std::string_view name, int errno_value);

/// KVM refused the user's choice to switch the SBI extension `name` on (`on` is true) or off.
SetupError sbi_switch_is_refused(std::string_view name, bool on, int errno_value);

/// KVM does not accept `ram` in a VM whose guest-physical addresses have `gpa_bits` bits (0 or less: not known).
SetupError ram_is_refused(const GpaRange& ram, int gpa_bits);

/// The only API version of Linux since 2.6.22.
inline constexpr int kKvmApiVersion = 12;

}  // namespace rvvmm

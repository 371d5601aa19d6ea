#include "kvm/host_errors.hpp"

#include <algorithm>
#include <cerrno>
#include <format>
#include <string>
#include <system_error>

#include "base/size_text.hpp"

namespace rvvmm {
namespace {

// Linux, virt/kvm/kvm_main.c: KVM_MEM_MAX_NR_PAGES, the limit of one memory slot.
constexpr uint64_t kLargestSlot = ((uint64_t{1} << 31) - 1) * 4_KiB;

/// The value of a line "isa\t\t: rv64imafdch_zba"; empty for any other line.
std::string_view isa_of_line(std::string_view line) noexcept {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view key = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
  if (key != "isa" && key != "hart isa") return {};
  const size_t begin = line.find_first_not_of(" \t", colon + 1);
  return begin == std::string_view::npos ? std::string_view{} : line.substr(begin);
}

/// Single letters come first. A name with several letters begins after '_', or with Z or X if the '_' was left out.
bool has_h(std::string_view isa) noexcept {
  constexpr std::string_view kBase = "rv64";
  if (!isa.starts_with(kBase)) return false;
  isa.remove_prefix(kBase.size());
  return isa.substr(0, isa.find_first_of("_zx")).contains('h');
}

const char* help_for_absent_device(HypervisorExtension extension) noexcept {
  switch (extension) {
    case HypervisorExtension::kPresent: return "load the module (modprobe kvm)";
    case HypervisorExtension::kAbsent:
      return "KVM needs CPUs with the H extension, and this host's CPUs do not have it";
    case HypervisorExtension::kUnknown: break;
  }
  return "load the module (modprobe kvm); that needs a CPU with the H extension";
}

const char* help_for(int errno_value, HypervisorExtension extension) noexcept {
  switch (errno_value) {
    case ENOENT:
    case ENODEV:
    case ENXIO: return help_for_absent_device(extension);
    case EACCES: return "run as a user of the group kvm, or as root";
    // Not the file permissions: a container or a cgroup has a list of allowed devices.
    case EPERM: return "the container or service that rvvmm runs in must allow this device";
    default: return "is KVM usable here?";
  }
}

}  // namespace

HypervisorExtension hypervisor_extension(std::string_view cpuinfo) noexcept {
  auto found = HypervisorExtension::kUnknown;
  while (!cpuinfo.empty()) {
    const size_t end = std::min(cpuinfo.find('\n'), cpuinfo.size());
    if (const std::string_view isa = isa_of_line(cpuinfo.substr(0, end)); !isa.empty()) {
      if (!has_h(isa)) return HypervisorExtension::kAbsent;
      found = HypervisorExtension::kPresent;
    }
    cpuinfo.remove_prefix(std::min(end + 1, cpuinfo.size()));
  }
  return found;
}

SetupError cannot_open_kvm(std::string_view path, int errno_value, HypervisorExtension extension) {
  return {ExitStatus::kHostUnsupported, std::format("{}: {}; {}", path, std::generic_category().message(errno_value),
                                                    help_for(errno_value, extension))};
}

SetupError is_not_kvm(std::string_view path) {
  return {ExitStatus::kHostUnsupported,
          std::format("{}: is not KVM's device; remove it and load the module (modprobe kvm), which makes it", path)};
}

SetupError wrong_kvm_api(std::string_view path, int version) {
  return {ExitStatus::kHostUnsupported,
          std::format("{}: has API version {}; rvvmm needs {}, which Linux 6.12 has", path, version, kKvmApiVersion)};
}

SetupError register_is_missing(std::string_view name, int errno_value) {
  return SetupError::from_errno(ExitStatus::kHostUnsupported,
                                std::format("KVM of this host does not give {}; rvvmm needs Linux 6.12 or newer", name),
                                errno_value);
}

SetupError sbi_switch_is_refused(std::string_view name, bool on, int errno_value) {
  const std::string option = std::format("--sbi {}={}", name, on ? "on" : "off");
  if (errno_value == ENOENT) {
    return {ExitStatus::kHostUnsupported,
            option + ": KVM of this host does not have it; leave it out, and see rvvmm --list sbi"};
  }
  return SetupError::from_errno(ExitStatus::kHostUnsupported, option + ": KVM refuses it", errno_value);
}

SetupError ram_is_refused(const GpaRange& ram, int gpa_bits) {
  const std::string option = "--mem " + mem_text(ram.size);
  const uint64_t space = gpa_bits > 0 && gpa_bits < 64 ? uint64_t{1} << gpa_bits : 0;
  const uint64_t above_base = space > ram.base.value ? space - ram.base.value : UINT64_MAX;
  if (ram.size <= std::min(above_base, kLargestSlot)) {
    return {ExitStatus::kUsage, option + ": KVM refuses it here; give less"};
  }
  if (above_base <= kLargestSlot) {
    return {ExitStatus::kUsage,
            std::format("{}: guest-physical addresses have {} bits on this host, and RAM begins at {:#x}; give at most "
                        "--mem {}",
                        option, gpa_bits, ram.base.value, mem_text(above_base))};
  }
  return {ExitStatus::kUsage, std::format("{}: KVM takes at most {} pages of RAM; give at most --mem {}", option,
                                          kLargestSlot / 4_KiB, mem_text(kLargestSlot))};
}

}  // namespace rvvmm

#include "kvm/riscv64/kvm_system.hpp"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/utsname.h>

#include <cstdlib>
#include <format>
#include <system_error>

#include "kvm/riscv64/kvm_ioctl.hpp"
#include "kvm/riscv64/kvm_vm.hpp"

namespace rvvmm {
namespace {

constexpr int kApiVersion = 12;  // Linux has had no other since 2.6.22

[[noreturn]] void throw_cannot_open(const char* path, int errno_value) {
  const char* help = "is KVM usable here?";
  switch (errno_value) {
    case ENOENT:
    case ENODEV:
    case ENXIO: help = "load the module (modprobe kvm); that needs a CPU with the H extension"; break;
    case EACCES:
    case EPERM: help = "run as a user of the group kvm, or as root"; break;
    default: break;
  }
  throw SetupError{ExitStatus::kHostUnsupported,
                   std::format("{}: {}; {}", path, std::generic_category().message(errno_value), help)};
}

}  // namespace

KvmSystem::KvmSystem(const char* path) : fd_(::open(path, O_RDWR | O_CLOEXEC)) {
  if (!fd_) throw_cannot_open(path, errno);
  const int version = kvm_ioctl(fd_.get(), KVM_GET_API_VERSION, 0);
  if (version != kApiVersion) {
    throw SetupError{ExitStatus::kHostUnsupported,
                     version < 0 ? std::format("{}: is not KVM", path)
                                 : std::format("{}: has API version {}, need {}", path, version, kApiVersion)};
  }
  run_size_ = static_cast<size_t>(kvm_ioctl_or_throw(fd_.get(), KVM_GET_VCPU_MMAP_SIZE, 0, "KVM_GET_VCPU_MMAP_SIZE"));
}

std::unique_ptr<VmBackend> KvmSystem::create_vm() {
  return std::make_unique<KvmVm>(Fd{kvm_ioctl_or_throw(fd_.get(), KVM_CREATE_VM, 0, "KVM_CREATE_VM")}, run_size_);
}

uint32_t KvmSystem::max_vcpus() const {
  const int most = kvm_ioctl(fd_.get(), KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
  return most > 0 ? static_cast<uint32_t>(most) : 1;
}

// Nothing shows it but a guest that hangs, so this is the one place that goes by the version: seen on 6.12, not seen
// on 7.2.
bool KvmSystem::interrupt_files_wake_harts() const {
  constexpr int kFirstGoodMajor = 7;
  utsname host{};
  return ::uname(&host) == 0 && std::atoi(host.release) >= kFirstGoodMajor;
}

std::string KvmSystem::describe_host() const {
  const auto capability = [this](int number) { return kvm_ioctl(fd_.get(), KVM_CHECK_EXTENSION, number); };
  utsname host{};
  ::uname(&host);
  return std::format("KVM API {} on Linux {} ({})\nvCPUs: {} recommended, {} at most\nin-kernel AIA: {}\n", kApiVersion,
                     host.release, host.machine, capability(KVM_CAP_NR_VCPUS), capability(KVM_CAP_MAX_VCPUS),
                     capability(KVM_CAP_IRQCHIP) > 0 ? "yes" : "no");
}

}  // namespace rvvmm

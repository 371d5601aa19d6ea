#include "kvm/riscv64/kvm_system.hpp"

#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <format>
#include <string>

#include "kvm/host_errors.hpp"
#include "kvm/riscv64/kvm_ioctl.hpp"
#include "kvm/riscv64/kvm_vm.hpp"

namespace rvvmm {
namespace {

/// Empty if it cannot be read.
std::string read_cpuinfo() noexcept {
  std::string text;
  const Fd file{::open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC)};
  std::array<char, 4096> part;
  for (ssize_t count = 0; (count = ::read(file.get(), part.data(), part.size())) > 0;) {
    text.append(part.data(), static_cast<size_t>(count));
  }
  return text;
}

Fd open_kvm(const char* path) {
  Fd fd{::open(path, O_RDWR | O_CLOEXEC)};
  if (!fd) {
    const int error = errno;
    throw cannot_open_kvm(path, error, hypervisor_extension(read_cpuinfo()));
  }
  const int version = kvm_ioctl(fd.get(), KVM_GET_API_VERSION, 0);
  if (version < 0) throw is_not_kvm(path);
  if (version != kKvmApiVersion) throw wrong_kvm_api(path, version);
  return fd;
}

}  // namespace

KvmSystem::KvmSystem(const char* path)
    : fd_(open_kvm(path)),
      run_size_(
          static_cast<size_t>(kvm_ioctl_or_throw(fd_.get(), KVM_GET_VCPU_MMAP_SIZE, 0, "KVM_GET_VCPU_MMAP_SIZE"))) {}

std::unique_ptr<VmBackend> KvmSystem::create_vm(const SbiChoices& sbi) {
  return std::make_unique<KvmVm>(Fd{kvm_ioctl_or_throw(fd_.get(), KVM_CREATE_VM, 0, "KVM_CREATE_VM")}, run_size_, sbi);
}

uint32_t KvmSystem::max_vcpus() const {
  const int most = kvm_ioctl(fd_.get(), KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
  return most > 0 ? static_cast<uint32_t>(most) : 1;
}

// KVM does not report this limit; only the last step of the set-up fails. Each interrupt file and the APLIC are devices
// on KVM's MMIO bus, which has room for 1000 (Linux, include/linux/kvm_host.h, NR_IOBUS_DEVS; ioeventfds do not count).
uint32_t KvmSystem::max_aia_vcpus() const {
  constexpr uint32_t kDevicesOnBus = 1000;
  constexpr uint32_t kAplics = 1;
  return kDevicesOnBus - kAplics;
}

// Only a guest that hangs shows the fault, so rvvmm cannot test for it and checks the kernel version. The fault was
// seen on 6.12 and not on 7.2. No other code checks the kernel version.
bool KvmSystem::interrupt_files_wake_harts() const {
  constexpr int kFirstGoodMajor = 7;
  utsname host{};
  return ::uname(&host) == 0 && std::atoi(host.release) >= kFirstGoodMajor;
}

std::string KvmSystem::describe_host() const {
  const auto capability = [this](int number) { return kvm_ioctl(fd_.get(), KVM_CHECK_EXTENSION, number); };
  utsname host{};
  ::uname(&host);
  return std::format("KVM API {} on Linux {} ({})\nvCPUs: {} recommended, {} at most\nin-kernel AIA: {}\n",
                     kKvmApiVersion, host.release, host.machine, capability(KVM_CAP_NR_VCPUS),
                     capability(KVM_CAP_MAX_VCPUS), capability(KVM_CAP_IRQCHIP) > 0 ? "yes" : "no");
}

}  // namespace rvvmm

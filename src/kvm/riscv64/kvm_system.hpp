// /dev/kvm: queries before the first VM, and the creation of VMs.
#pragma once

#include <memory>

#include "base/fd.hpp"
#include "base/hypervisor.hpp"

namespace rvvmm {

class KvmSystem final : public Hypervisor {
 public:
  /// Opens `path` and checks the API version. Throws SetupError (host_errors.hpp).
  explicit KvmSystem(const char* path = "/dev/kvm");

  /// Throws SetupError.
  std::unique_ptr<VmBackend> create_vm(const SbiChoices& sbi) override;
  uint32_t max_vcpus() const override;
  uint32_t max_aia_vcpus() const override;
  bool interrupt_files_wake_harts() const override;

  /// Lines for --version: API, limits and capabilities of this host's KVM.
  std::string describe_host() const;

 private:
  Fd fd_;
  size_t run_size_;  ///< bytes of a vCPU's shared mapping
};

}  // namespace rvvmm

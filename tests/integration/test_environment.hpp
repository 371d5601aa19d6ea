// Where the tests find rvvmm, the guests and the facts about the host; and what they do where there is no KVM.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace rvvmm::test {

/// What the runner says by variables of the environment (docs/testing.md). A path that was not given is empty.
struct TestEnvironment {
  std::string rvvmm;                ///< RVVMM_BIN; else rvvmm one folder above this program
  std::string guests;               ///< RVVMM_GUESTS_DIR; else guests/ beside this program
  std::string guest_kernel_612;     ///< RVVMM_GUEST_KERNEL_612
  std::string guest_kernel_latest;  ///< RVVMM_GUEST_KERNEL_LATEST
  std::string guest_initrd;         ///< RVVMM_GUEST_INITRD
  std::string ext4_image;           ///< RVVMM_EXT4_IMAGE: a small file system
  std::string ext4_modules;         ///< RVVMM_EXT4_MODULES: an initramfs with what the guests' kernels need for it
  std::string host_kernel;          ///< RVVMM_HOST_KERNEL: 6.12, latest, another version, or empty
  std::string host_irqchip;         ///< RVVMM_HOST_IRQCHIP: aia, emul, none, or empty: not known
  std::string host_zkr;             ///< RVVMM_HOST_ZKR: true or false, whether the CPUs have `seed`; or empty
  std::string host_v;               ///< RVVMM_HOST_V: true or false, whether they have vector registers; or empty
  std::string configs;              ///< RVVMM_CONFIGS_DIR; else configs/ of the source tree at build time
  std::string artifacts;            ///< RVVMM_ARTIFACTS: a folder where files for later checks are left; may be empty
  bool full = false;                ///< RVVMM_TEST_FULL=1

  static const TestEnvironment& get();

  /// The path of a bare-metal guest.
  std::string guest(std::string_view name) const { return guests + "/" + std::string{name}; }
};

/// Base of all tests that run a VM: skipped where /dev/kvm is absent, and a failure where rvvmm itself is.
class KvmTest : public ::testing::Test {
 protected:
  void SetUp() override;
  const TestEnvironment& environment() const { return TestEnvironment::get(); }
};

/// A file that is removed at the end of its scope.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view content = {});
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }
  std::string content() const;

 private:
  std::string path_;
};

/// The whole of a file; fails the test, and is empty, where it cannot be read.
std::string read_file(const std::string& path);

}  // namespace rvvmm::test

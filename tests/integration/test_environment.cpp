// Reads the environment's variables once; looks beside the test program for what they do not say.
#include "test_environment.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace rvvmm::test {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string variable_or(const char* name, const std::filesystem::path& otherwise) {
  const std::string value = variable(name);
  return value.empty() ? otherwise.string() : value;
}

TestEnvironment read_environment() {
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  return {
      .rvvmm = variable_or("RVVMM_BIN", here.parent_path() / "rvvmm"),
      .guests = variable_or("RVVMM_GUESTS_DIR", here / "guests"),
      .guest_kernel_612 = variable("RVVMM_GUEST_KERNEL_612"),
      .guest_kernel_latest = variable("RVVMM_GUEST_KERNEL_LATEST"),
      .guest_initrd = variable("RVVMM_GUEST_INITRD"),
      .ext4_image = variable("RVVMM_EXT4_IMAGE"),
      .ext4_modules = variable("RVVMM_EXT4_MODULES"),
      .host_kernel = variable("RVVMM_HOST_KERNEL"),
      .host_irqchip = variable("RVVMM_HOST_IRQCHIP"),
      .host_zkr = variable("RVVMM_HOST_ZKR"),
      .host_v = variable("RVVMM_HOST_V"),
      .configs = variable_or("RVVMM_CONFIGS_DIR", here.parent_path().parent_path().parent_path() / "configs"),
      .artifacts = variable("RVVMM_ARTIFACTS"),
      .full = variable("RVVMM_TEST_FULL") == "1",
  };
}

}  // namespace

const TestEnvironment& TestEnvironment::get() {
  static const TestEnvironment environment = read_environment();
  return environment;
}

void KvmTest::SetUp() {
  if (access("/dev/kvm", F_OK) != 0) GTEST_SKIP() << "skipped: no /dev/kvm";
  ASSERT_EQ(access(environment().rvvmm.c_str(), X_OK), 0) << "no rvvmm at " << environment().rvvmm << "; set RVVMM_BIN";
  ASSERT_EQ(access(environment().guest("hello").c_str(), R_OK), 0)
      << "no guests in " << environment().guests << "; set RVVMM_GUESTS_DIR";
}

TemporaryFile::TemporaryFile(std::string_view content) {
  path_ = (std::filesystem::temp_directory_path() / "rvvmm-test-XXXXXX").string();
  const int fd = mkstemp(path_.data());
  if (fd < 0) {
    ADD_FAILURE() << "cannot make " << path_;
    return;
  }
  close(fd);
  std::ofstream{path_, std::ios::binary}.write(content.data(), static_cast<std::streamsize>(content.size()));
}

TemporaryFile::~TemporaryFile() {
  unlink(path_.c_str());
}

std::string TemporaryFile::content() const {
  return read_file(path_);
}

std::string read_file(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  if (!file) ADD_FAILURE() << "cannot read " << path;
  return {std::istreambuf_iterator<char>{file}, {}};
}

}  // namespace rvvmm::test

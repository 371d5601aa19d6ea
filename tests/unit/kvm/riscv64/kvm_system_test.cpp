#include "kvm/riscv64/kvm_system.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "kvm/riscv64/isa.hpp"

namespace rvvmm::kvm_system_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

template <typename Action>
std::string host_unsupported(Action action) {
  try {
    action();
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kHostUnsupported);
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

TEST(KvmSystem, AbsentDeviceIsNamed) {
  EXPECT_THAT(host_unsupported([] { KvmSystem{"/nonexistent/kvm"}; }), StartsWith("/nonexistent/kvm: No such file"));
}

TEST(KvmSystem, OtherDeviceIsNotKvm) {
  EXPECT_THAT(host_unsupported([] { KvmSystem{"/dev/null"}; }), StartsWith("/dev/null: is not KVM's device; "));
}

TEST(KvmSystem, DeviceWithoutPermissionNamesTheGroup) {
  char name[] = "/tmp/rvvmm-kvm-XXXXXX";
  const Fd file{::mkstemp(name)};
  ASSERT_TRUE(file);
  ASSERT_EQ(::fchmod(file.get(), 0), 0);
  // In a child, as a user that is nobody's: root may open everything.
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(2);
    ::_exit(host_unsupported([&] { KvmSystem{name}; }).ends_with("run as a user of the group kvm, or as root") ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  ::unlink(name);
}

TEST(DescribeCpu, HostWithoutTheRegistersIsRefused) {
  // Anything that is no vCPU knows no register.
  const Fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  EXPECT_THAT(host_unsupported([&] { describe_cpu(null.get(), false); }), HasSubstr("rvvmm needs Linux 6.12 or newer"));
}

}  // namespace
}  // namespace rvvmm::kvm_system_test

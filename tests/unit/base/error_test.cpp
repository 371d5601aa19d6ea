#include "base/error.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace rvvmm::error_test {
namespace {

TEST(SetupError, CarriesItsLineAndItsStatus) {
  const SetupError error{ExitStatus::kUsage, "--smp 0: 1 to 512 harts"};
  EXPECT_STREQ(error.what(), "--smp 0: 1 to 512 harts");
  EXPECT_EQ(error.status(), ExitStatus::kUsage);
}

TEST(SetupError, FromErrnoAddsTheReason) {
  const SetupError error = SetupError::from_errno(ExitStatus::kHostUnsupported, "/dev/kvm", ENOENT);
  EXPECT_STREQ(error.what(), "/dev/kvm: No such file or directory");
  EXPECT_EQ(error.status(), ExitStatus::kHostUnsupported);
}

}  // namespace
}  // namespace rvvmm::error_test

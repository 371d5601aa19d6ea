#include "kvm/riscv64/sbi_switching.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/log.hpp"

namespace rvvmm::sbi_switching_test {
namespace {

using ::testing::HasSubstr;

constexpr size_t kDbcn = 9;
constexpr size_t kSta = 10;

/// Anything that is no vCPU refuses every register.
class SbiSwitching : public ::testing::Test {
 protected:
  std::string log_of(const SbiChoices& choices) const {
    ::testing::internal::CaptureStderr();
    switch_sbi_extensions(null_.get(), choices);
    return ::testing::internal::GetCapturedStderr();
  }

  const Fd null_{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  SbiChoices choices_;
};

TEST_F(SbiSwitching, WhatIsRefusedAndNobodyChoseIsLogged) {
  EXPECT_THAT(log_of(choices_), HasSubstr("KVM does not offer the SBI extension dbcn"));
}

TEST_F(SbiSwitching, WhatIsRefusedAndWasChosenIsAnError) {
  choices_.choose(kDbcn, true);
  try {
    switch_sbi_extensions(null_.get(), choices_);
    ADD_FAILURE() << "nothing was refused";
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kHostUnsupported);
    EXPECT_THAT(error.what(), HasSubstr("--sbi dbcn=on: KVM refuses it"));
  }
  SbiChoices off;
  off.choose(kSta, false);
  EXPECT_THROW(switch_sbi_extensions(null_.get(), off), SetupError);
}

TEST_F(SbiSwitching, WithoutTheRegisterNothingIsOn) {
  for (size_t row = 0; row < kSbiSwitches.size(); ++row)
    EXPECT_EQ(sbi_extension_is_on(null_.get(), row), std::nullopt);
}

}  // namespace
}  // namespace rvvmm::sbi_switching_test

#include "sbi/system_suspend.hpp"

#include <gtest/gtest.h>

#include "fakes/fake_harts.hpp"

namespace rvvmm::system_suspend_test {
namespace {

constexpr Gpa kRam{0x8000'0000};

class SystemSuspendTest : public ::testing::Test {
 protected:
  SbiRet call(uint64_t fid, uint64_t type, uint64_t address) {
    return susp.handle(HartId{0}, SbiCall{.eid = SystemSuspend::kEid, .fid = fid, .args = {type, address, 99}});
  }

  GuestMemory memory{kRam, 64_KiB};
  FakeHarts harts;
  SystemSuspend susp{memory, harts};
};

TEST_F(SystemSuspendTest, TheMachineSleepsAndResumesWhereItIsTold) {
  EXPECT_EQ(call(0, 0, kRam.value + 2), SbiRet::ok());
  EXPECT_EQ(harts.states[0], HsmState::kSuspended);
  ASSERT_TRUE(harts.entries[0].has_value());
  EXPECT_EQ(harts.entries[0]->pc, kRam + 2);
  EXPECT_EQ(harts.entries[0]->opaque, 99U);
}

TEST_F(SystemSuspendTest, OnlySuspendToRamIsThere) {
  for (const uint64_t type : {1UL, 0x7FFF'FFFFUL, 0x8000'0000UL, 0xFFFF'FFFFUL})
    EXPECT_EQ(call(0, type, kRam.value), SbiRet::fail(SbiError::kInvalidParam)) << type;
  EXPECT_EQ(harts.states[0], HsmState::kStarted);
}

TEST_F(SystemSuspendTest, TheTypeHas32Bits) {
  EXPECT_EQ(call(0, 0xFFFF'FFFF'0000'0000, kRam.value), SbiRet::ok());
}

TEST_F(SystemSuspendTest, AHartResumesInRam) {
  for (const uint64_t address : {0UL, kRam.value - 2, kRam.value + 1, (kRam + 64_KiB).value, UINT64_MAX})
    EXPECT_EQ(call(0, 0, address), SbiRet::fail(SbiError::kInvalidAddress)) << address;
}

TEST_F(SystemSuspendTest, NotWhileAnotherHartIsUp) {
  harts.states[2] = HsmState::kSuspended;
  EXPECT_EQ(call(0, 0, kRam.value), SbiRet::fail(SbiError::kDenied));
}

TEST_F(SystemSuspendTest, HasOneFunction) {
  EXPECT_EQ(call(1, 0, kRam.value), SbiRet::fail(SbiError::kNotSupported));
}

}  // namespace
}  // namespace rvvmm::system_suspend_test

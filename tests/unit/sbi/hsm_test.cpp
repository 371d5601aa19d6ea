#include "sbi/hsm.hpp"

#include <gtest/gtest.h>

#include "fakes/fake_harts.hpp"

namespace rvvmm::hsm_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kNonRetentive = 0x8000'0000;

constexpr SbiRet kInvalidParam = SbiRet::fail(SbiError::kInvalidParam);
constexpr SbiRet kInvalidAddress = SbiRet::fail(SbiError::kInvalidAddress);
constexpr SbiRet kNotSupported = SbiRet::fail(SbiError::kNotSupported);
constexpr SbiRet kFailed = SbiRet::fail(SbiError::kFailed);

class HsmTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  SbiRet call(uint64_t fid, uint64_t a0 = 0, uint64_t a1 = 0, uint64_t a2 = 0, HartId self = HartId{0}) {
    return hsm.handle(self, SbiCall{.eid = GetParam(), .fid = fid, .args = {a0, a1, a2}});
  }
  SbiRet start(uint64_t hart, uint64_t address) { return call(0, hart, address, 77); }
  SbiRet status(uint64_t hart) { return call(2, hart); }
  SbiRet suspend(uint64_t type, uint64_t address = kRam.value) { return call(3, type, address, 88); }

  GuestMemory memory{kRam, 64_KiB};
  FakeHarts harts;
  Hsm hsm{GetParam(), memory, harts};
};

INSTANTIATE_TEST_SUITE_P(Eids, HsmTest, ::testing::Values(Hsm::kStandardEid, Hsm::kOwnEid),
                         [](const auto& eid) { return eid.param == Hsm::kStandardEid ? "standard" : "own"; });

TEST_P(HsmTest, StartsAHartWhereItIsToldAndOnce) {
  EXPECT_EQ(start(1, kRam.value + 2), SbiRet::ok());
  ASSERT_TRUE(harts.entries[1].has_value());
  EXPECT_EQ(harts.entries[1]->pc, kRam + 2);
  EXPECT_EQ(harts.entries[1]->opaque, 77U);
  EXPECT_EQ(start(1, kRam.value), SbiRet::fail(SbiError::kAlreadyAvailable));
  EXPECT_EQ(start(0, kRam.value), SbiRet::fail(SbiError::kAlreadyAvailable));
}

TEST_P(HsmTest, KnowsNoHartThatThereIsNot) {
  for (const uint64_t hart : {4UL, 1UL << 32, UINT64_MAX}) {
    EXPECT_EQ(start(hart, kRam.value), kInvalidParam) << hart;
    EXPECT_EQ(status(hart), kInvalidParam) << hart;
  }
}

TEST_P(HsmTest, AHartBeginsInRamOnAnInstructionsBoundary) {
  for (const uint64_t address :
       {0UL, kRam.value - 2, kRam.value + 1, (kRam + 64_KiB).value, UINT64_MAX - 1, UINT64_MAX}) {
    EXPECT_EQ(start(1, address), kInvalidAddress) << address;
    EXPECT_EQ(suspend(kNonRetentive, address), kInvalidAddress) << address;
  }
  EXPECT_EQ(start(1, (kRam + 64_KiB).value - 2), SbiRet::ok());
}

TEST_P(HsmTest, StatusIsTheNumberOfTheSpecification) {
  for (uint64_t number = 0; number <= 6; ++number) {
    harts.states[3] = static_cast<HsmState>(number);
    EXPECT_EQ(status(3), SbiRet::ok(number));
  }
}

TEST_P(HsmTest, StopsTheCaller) {
  EXPECT_EQ(call(1), SbiRet::ok());
  EXPECT_EQ(harts.states[0], HsmState::kStopped);
}

TEST_P(HsmTest, ASecondStopOrSuspendInABatchFails) {
  call(1);
  EXPECT_EQ(call(1), kFailed);
  EXPECT_EQ(suspend(0), kFailed);
}

TEST_P(HsmTest, RetentiveSuspendTakesNoAddress) {
  EXPECT_EQ(suspend(0, 1), SbiRet::ok());
  EXPECT_EQ(harts.states[0], HsmState::kSuspended);
  EXPECT_FALSE(harts.entries[0].has_value());
}

TEST_P(HsmTest, NonRetentiveSuspendResumesWhereItIsTold) {
  EXPECT_EQ(suspend(kNonRetentive, kRam.value + 4), SbiRet::ok());
  ASSERT_TRUE(harts.entries[0].has_value());
  EXPECT_EQ(harts.entries[0]->pc, kRam + 4);
  EXPECT_EQ(harts.entries[0]->opaque, 88U);
}

TEST_P(HsmTest, TheTypeOfASuspendHas32Bits) {
  EXPECT_EQ(suspend(0xFFFF'FFFF'0000'0000), SbiRet::ok());
}

TEST_P(HsmTest, ReservedAndPlatformTypesOfSuspendAreRefused) {
  for (const uint64_t type :
       {1UL, 0x0FFF'FFFFUL, 0x1000'0000UL, 0x7FFF'FFFFUL, 0x8000'0001UL, 0x9000'0000UL, 0xFFFF'FFFFUL})
    EXPECT_EQ(suspend(type), kInvalidParam) << type;
}

TEST_P(HsmTest, FunctionsThatThereAreNot) {
  for (const uint64_t fid : {4UL, 64UL, UINT64_MAX})
    EXPECT_EQ(call(fid), kNotSupported) << fid;
}

TEST_P(HsmTest, OnlyASuspendedHartResumesAndOnlyByOurOwnEid) {
  EXPECT_EQ(call(Hsm::kResumeFid), kNotSupported);
  harts.states[0] = HsmState::kSuspended;
  const bool own = GetParam() == Hsm::kOwnEid;
  EXPECT_EQ(call(Hsm::kResumeFid), own ? SbiRet::ok() : kNotSupported);
}

}  // namespace
}  // namespace rvvmm::hsm_test

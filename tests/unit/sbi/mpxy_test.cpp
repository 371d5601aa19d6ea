#include "sbi/mpxy.hpp"

#include <gtest/gtest.h>

#include <array>

namespace rvvmm::mpxy_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kRamSize = 64_KiB;
constexpr uint64_t kAllOnes = UINT64_MAX;
constexpr uint64_t kPattern = 0x1122'3344'5566'7788;
constexpr SbiRet kInvalidParam = SbiRet::fail(SbiError::kInvalidParam);
constexpr SbiRet kInvalidAddress = SbiRet::fail(SbiError::kInvalidAddress);
constexpr SbiRet kNoShmem = SbiRet::fail(SbiError::kNoShmem);
constexpr SbiRet kNotSupported = SbiRet::fail(SbiError::kNotSupported);

class MpxyTest : public ::testing::Test {
 protected:
  SbiRet call(uint64_t fid, uint64_t a0 = 0, uint64_t a1 = 0, uint64_t a2 = 0, uint32_t hart = 0) {
    return mpxy.handle(HartId{hart}, {.eid = 0x4D505859, .fid = fid, .args = {a0, a1, a2}});
  }
  SbiRet share(uint64_t lo, uint64_t hi = 0, uint64_t flags = 0, uint32_t hart = 0) {
    return call(1, lo, hi, flags, hart);
  }
  SbiRet channel_ids(uint64_t start = 0, uint32_t hart = 0) { return call(2, start, 0, 0, hart); }
  void fill(Gpa at) { ASSERT_TRUE(memory.store(at, std::array{kPattern, kPattern})); }
  std::array<uint64_t, 2> words(Gpa at) { return *memory.load<std::array<uint64_t, 2>>(at); }

  GuestMemory memory{kRam, kRamSize};
  Mpxy mpxy{memory, 2};
};

TEST_F(MpxyTest, TheSizeNeedsNoMemory) {
  EXPECT_EQ(call(0), SbiRet::ok(4096));
}

TEST_F(MpxyTest, NoChannelIsReturnedAndNoneRemains) {
  ASSERT_EQ(share(kRam.value), SbiRet::ok());
  fill(kRam);
  EXPECT_EQ(channel_ids(), SbiRet::ok());
  EXPECT_EQ(words(kRam), (std::array<uint64_t, 2>{0, kPattern}));
}

TEST_F(MpxyTest, AnIndexBehindTheEndIsInvalid) {
  ASSERT_EQ(share(kRam.value), SbiRet::ok());
  fill(kRam);
  EXPECT_EQ(channel_ids(1), kInvalidParam);
  EXPECT_EQ(channel_ids(UINT32_MAX), kInvalidParam);
  EXPECT_EQ(words(kRam)[0], kPattern);
  // The parameter has 32 bits.
  EXPECT_EQ(channel_ids(uint64_t{1} << 32), SbiRet::ok());
}

TEST_F(MpxyTest, WithoutSharedMemoryThereIsNothingToSay) {
  for (uint64_t fid = 2; fid <= 7; ++fid)
    EXPECT_EQ(call(fid), kNoShmem) << fid;
}

TEST_F(MpxyTest, EveryChannelIsNone) {
  ASSERT_EQ(share(kRam.value), SbiRet::ok());
  for (uint64_t fid = 3; fid <= 7; ++fid)
    for (const uint64_t channel : {uint64_t{0}, uint64_t{1}, kAllOnes})
      EXPECT_EQ(call(fid, channel, 0, 1), kNotSupported) << fid;
}

TEST_F(MpxyTest, OtherFunctionsAreNotSupportedWhateverIsShared) {
  EXPECT_EQ(call(8), kNotSupported);
  EXPECT_EQ(call(kAllOnes), kNotSupported);
  ASSERT_EQ(share(kRam.value), SbiRet::ok());
  EXPECT_EQ(call(8), kNotSupported);
}

TEST_F(MpxyTest, AllOnesEndTheSharing) {
  ASSERT_EQ(share(kRam.value), SbiRet::ok());
  EXPECT_EQ(share(kAllOnes, kAllOnes), SbiRet::ok());
  EXPECT_EQ(channel_ids(), kNoShmem);
}

TEST_F(MpxyTest, WhatIsRefusedChangesNothing) {
  ASSERT_EQ(share(kRam.value), SbiRet::ok());
  for (const uint64_t flags : {uint64_t{2}, uint64_t{3}, uint64_t{4}, kAllOnes}) {
    EXPECT_EQ(share(kRam.value + 4096, 0, flags), kInvalidParam) << flags;
    EXPECT_EQ(share(kAllOnes, kAllOnes, flags), kInvalidParam) << flags;
  }
  for (const uint64_t offset : {1U, 8U, 2048U, 4095U})
    EXPECT_EQ(share(kRam.value + offset), kInvalidParam) << offset;
  EXPECT_EQ(share(kAllOnes, 0), kInvalidParam) << "only both words together end the sharing";
  for (const uint64_t outside : {uint64_t{0}, kRam.value - 4096, kRam.value + kRamSize, ~uint64_t{4095}})
    EXPECT_EQ(share(outside), kInvalidAddress) << outside;
  EXPECT_EQ(share(kRam.value, 1), kInvalidAddress);
  EXPECT_EQ(share(kRam.value, kAllOnes), kInvalidAddress);
  fill(kRam);
  EXPECT_EQ(channel_ids(), SbiRet::ok());
  EXPECT_EQ(words(kRam)[0], 0U);
}

TEST_F(MpxyTest, TheLastPageOfRamCanBeShared) {
  const Gpa last = kRam + (kRamSize - 4096);
  ASSERT_EQ(share(last.value), SbiRet::ok());
  fill(last);
  EXPECT_EQ(channel_ids(), SbiRet::ok());
  EXPECT_EQ(words(last)[0], 0U);
}

TEST_F(MpxyTest, TheFormerMemoryIsToldToWhoAsks) {
  const Gpa first = kRam + 4096;
  const Gpa second = kRam + 8192;
  ASSERT_EQ(share(first.value, 0, 1), SbiRet::ok());
  EXPECT_EQ(words(first), (std::array{kAllOnes, kAllOnes})) << "nothing was shared before";
  ASSERT_EQ(share(second.value, 0, 1), SbiRet::ok());
  EXPECT_EQ(words(second), (std::array{first.value, uint64_t{0}}));
  fill(first);
  ASSERT_EQ(share(first.value), SbiRet::ok());
  EXPECT_EQ(words(first)[0], kPattern) << "nobody asked";
}

TEST_F(MpxyTest, EachHartSharesItsOwn) {
  ASSERT_EQ(share(kRam.value, 0, 0, 1), SbiRet::ok());
  EXPECT_EQ(channel_ids(0, 0), kNoShmem);
  EXPECT_EQ(channel_ids(0, 1), SbiRet::ok());
  ASSERT_EQ(share(kAllOnes, kAllOnes, 0, 0), SbiRet::ok());
  EXPECT_EQ(channel_ids(0, 1), SbiRet::ok());
}

}  // namespace
}  // namespace rvvmm::mpxy_test

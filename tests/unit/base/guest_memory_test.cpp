#include "base/guest_memory.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.hpp"

namespace rvvmm {
namespace {

constexpr Gpa kBase{0x8000'0000};
constexpr uint64_t kSize = 64_KiB;
constexpr Gpa kLast{kBase.value + kSize - 1};

class GuestMemoryTest : public testing::Test {
 protected:
  GuestMemory memory_{kBase, kSize};
};

TEST_F(GuestMemoryTest, IsZeroAndAlignedForHugePages) {
  EXPECT_EQ(memory_.bytes().size(), kSize);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory_.bytes().data()) % 2_MiB, 0U);
  EXPECT_TRUE(std::ranges::all_of(memory_.bytes(), [](std::byte b) { return b == std::byte{0}; }));
}

TEST_F(GuestMemoryTest, TheLastByteIsReadableAndTheNextIsNot) {
  EXPECT_TRUE(memory_.load<uint8_t>(kLast));
  EXPECT_FALSE(memory_.load<uint8_t>(kLast + 1));
  EXPECT_FALSE(memory_.load<uint16_t>(kLast));
}

TEST_F(GuestMemoryTest, TheFirstByteIsReadableAndTheOneBeforeIsNot) {
  EXPECT_TRUE(memory_.load<uint8_t>(kBase));
  EXPECT_FALSE(memory_.load<uint8_t>(Gpa{kBase.value - 1}));
  EXPECT_FALSE(memory_.load<uint16_t>(Gpa{kBase.value - 1}));
}

TEST_F(GuestMemoryTest, AnAddressInTwoWordsIsInMemoryOnlyWithAHighWordOfZero) {
  EXPECT_EQ(memory_.slice_of_words(kLast.value, 0, 1)->data(), memory_.slice(kLast, 1)->data());
  EXPECT_FALSE(memory_.slice_of_words(kLast.value, 0, 2));
  EXPECT_FALSE(memory_.slice_of_words(kLast.value, 1, 1));
}

TEST_F(GuestMemoryTest, StoresAreLittleEndianAtAnyAlignment) {
  ASSERT_TRUE(memory_.store(kBase + 1, uint32_t{0x0403'0201}));
  EXPECT_EQ(memory_.load<uint8_t>(kBase + 1), 1);
  EXPECT_EQ(memory_.load<uint32_t>(kBase + 1), 0x0403'0201U);
  EXPECT_EQ(memory_.load<uint64_t>(kBase), 0x04'0302'0100U);
}

TEST_F(GuestMemoryTest, AStoreThatLeavesMemoryWritesNothing) {
  EXPECT_FALSE(memory_.store(kLast, uint16_t{0xFFFF}));
  EXPECT_EQ(memory_.load<uint8_t>(kLast), 0);
}

TEST_F(GuestMemoryTest, ASliceIsTheMemoryItself) {
  const auto slice = memory_.slice(kBase + 16, 4);
  ASSERT_TRUE(slice);
  EXPECT_EQ(slice->data(), memory_.bytes().data() + 16);
  EXPECT_EQ(slice->size(), 4U);
}

TEST_F(GuestMemoryTest, ASliceOfEverythingIsTheLongest) {
  EXPECT_TRUE(memory_.slice(kBase, kSize));
  EXPECT_FALSE(memory_.slice(kBase, kSize + 1));
  EXPECT_FALSE(memory_.slice(kBase + 1, kSize));
}

TEST_F(GuestMemoryTest, AnEmptySliceMayStandAtTheEndButNotBehind) {
  const auto slice = memory_.slice(kLast + 1, 0);
  ASSERT_TRUE(slice);
  EXPECT_TRUE(slice->empty());
  EXPECT_FALSE(memory_.slice(kLast + 2, 0));
}

TEST_F(GuestMemoryTest, HugeLengthsNeverWrap) {
  EXPECT_FALSE(memory_.slice(kBase, UINT64_MAX));
  EXPECT_FALSE(memory_.slice(kLast, UINT64_MAX));
  EXPECT_FALSE(memory_.slice(Gpa{UINT64_MAX}, UINT64_MAX));
  EXPECT_FALSE(memory_.slice(Gpa{0}, UINT64_MAX));
}

TEST_F(GuestMemoryTest, DiscardedItIsZeroAgainAtTheSamePlace) {
  const std::byte* const at = memory_.bytes().data();
  ASSERT_TRUE(memory_.store(kLast, uint8_t{1}));
  memory_.discard();
  EXPECT_EQ(memory_.bytes().data(), at);
  EXPECT_EQ(memory_.load<uint8_t>(kLast), 0);
}

TEST(GuestMemory, ASizeThatNoHostHasIsRefusedNamingTheOption) {
  try {
    const GuestMemory memory{kBase, UINT64_MAX & ~0xFFFUL};
    FAIL() << "mapped";
  } catch (const SetupError& problem) {
    EXPECT_THAT(problem.what(), testing::HasSubstr("--mem"));
  }
}

}  // namespace
}  // namespace rvvmm

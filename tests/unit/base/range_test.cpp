#include "base/range.hpp"

#include <gtest/gtest.h>

namespace rvvmm::range_test {
namespace {

constexpr GpaRange kRange{.base = Gpa{0x1000}, .size = 0x100};
constexpr GpaRange kTop{.base = Gpa{UINT64_MAX - 0xFF}, .size = 0x100};

TEST(GpaRange, ContainsItsLastByteAndNotTheNext) {
  EXPECT_TRUE(kRange.contains(Gpa{0x10FF}, 1));
  EXPECT_FALSE(kRange.contains(Gpa{0x1100}, 1));
  EXPECT_FALSE(kRange.contains(Gpa{0x10FF}, 2));
}

TEST(GpaRange, ContainsItsFirstByteAndNotTheOneBefore) {
  EXPECT_TRUE(kRange.contains(Gpa{0x1000}, 1));
  EXPECT_FALSE(kRange.contains(Gpa{0xFFF}, 1));
  EXPECT_FALSE(kRange.contains(Gpa{0xFFF}, 2));
}

TEST(GpaRange, ContainsItselfAndNothingLonger) {
  EXPECT_TRUE(kRange.contains(Gpa{0x1000}, 0x100));
  EXPECT_FALSE(kRange.contains(Gpa{0x1000}, 0x101));
}

TEST(GpaRange, AnEmptyAccessMayStandAtTheEndButNotBehind) {
  EXPECT_TRUE(kRange.contains(Gpa{0x1100}, 0));
  EXPECT_FALSE(kRange.contains(Gpa{0x1101}, 0));
}

TEST(GpaRange, AHugeLengthNeverWrapsIntoTheRange) {
  EXPECT_FALSE(kRange.contains(Gpa{0x1000}, UINT64_MAX));
  EXPECT_FALSE(kRange.contains(Gpa{0x10FF}, UINT64_MAX - 0xFF));
  EXPECT_FALSE(kRange.contains(Gpa{UINT64_MAX}, 0x1001));
}

TEST(GpaRange, MayEndAtTheTopOfTheAddressSpace) {
  EXPECT_TRUE(kTop.contains(Gpa{UINT64_MAX}, 1));
  EXPECT_FALSE(kTop.contains(Gpa{UINT64_MAX}, 2));
  EXPECT_FALSE(kTop.contains(Gpa{0}, 1));
  EXPECT_EQ(kTop.end(), Gpa{0});
}

TEST(GpaRange, NeighboursDoNotOverlap) {
  EXPECT_FALSE(kRange.overlaps({.base = Gpa{0x1100}, .size = 0x100}));
  EXPECT_FALSE(kRange.overlaps({.base = Gpa{0xF00}, .size = 0x100}));
}

TEST(GpaRange, OneSharedByteIsAnOverlapWhicheverIsAsked) {
  constexpr GpaRange kAbove{.base = Gpa{0x10FF}, .size = 0x100};
  EXPECT_TRUE(kRange.overlaps(kAbove));
  EXPECT_TRUE(kAbove.overlaps(kRange));
}

TEST(GpaRange, OverlapsWhatLiesInsideAndWhatLiesAround) {
  EXPECT_TRUE(kRange.overlaps({.base = Gpa{0x1010}, .size = 1}));
  EXPECT_TRUE(kRange.overlaps({.base = Gpa{0}, .size = UINT64_MAX}));
}

TEST(GpaRange, AnEmptyRangeOverlapsNothing) {
  EXPECT_FALSE(kRange.overlaps({.base = Gpa{0x1010}, .size = 0}));
  EXPECT_FALSE((GpaRange{.base = Gpa{0x1010}, .size = 0}).overlaps(kRange));
}

TEST(GpaRange, RangesAtTheTopDoNotWrapIntoRangesAtTheBottom) {
  EXPECT_FALSE(kTop.overlaps({.base = Gpa{0}, .size = 0x1000}));
  EXPECT_TRUE(kTop.overlaps({.base = Gpa{UINT64_MAX}, .size = 1}));
}

}  // namespace
}  // namespace rvvmm::range_test

#include "base/types.hpp"

#include <gtest/gtest.h>

namespace rvvmm::types_test {
namespace {

TEST(Types, SizesCarryTheirUnit) {
  EXPECT_EQ(1_KiB, 1024U);
  EXPECT_EQ(3_MiB, 3U * 1024 * 1024);
  EXPECT_EQ(4_GiB, uint64_t{1} << 32);
}

TEST(Types, AlignmentKeepsMultiplesAndMovesTheRest) {
  EXPECT_EQ(align_down(0x1FFF, 0x1000), 0x1000U);
  EXPECT_EQ(align_down(0x1000, 0x1000), 0x1000U);
  EXPECT_EQ(align_up(0x1000, 0x1000), 0x1000U);
  EXPECT_EQ(align_up(0x1001, 0x1000), 0x2000U);
  EXPECT_EQ(align_up(0, 0x1000), 0U);
  EXPECT_EQ(align_up(UINT64_MAX, 0x1000), 0U);
}

TEST(Types, AddressesWrapLikeTheMachines) {
  EXPECT_EQ(Gpa{UINT64_MAX} + 2, Gpa{1});
  EXPECT_EQ(Gpa{0x2000} - Gpa{0x1000}, 0x1000U);
}

}  // namespace
}  // namespace rvvmm::types_test

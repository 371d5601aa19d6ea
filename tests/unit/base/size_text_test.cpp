#include "base/size_text.hpp"

#include <gtest/gtest.h>

#include "base/types.hpp"

namespace rvvmm::size_text_test {
namespace {

TEST(MemText, TakesTheLargestSuffixThatDivides) {
  EXPECT_EQ(mem_text(200 * 1024_GiB), "200T");
  EXPECT_EQ(mem_text(1025_GiB), "1025G");
  EXPECT_EQ(mem_text(256_MiB), "256M");
  EXPECT_EQ(mem_text(1_GiB + 4_KiB), "1048580K");
  EXPECT_EQ(mem_text(100), "100");
  EXPECT_EQ(mem_text(0), "0");
}

TEST(SizeText, IsWholeOrRoundedUp) {
  EXPECT_EQ(size_text(3_GiB), "3 GiB");
  EXPECT_EQ(size_text(1_GiB + 1), "1025 MiB");
  EXPECT_EQ(size_text(38_MiB), "38 MiB");
  EXPECT_EQ(size_text(4_KiB + 1), "5 KiB");
  EXPECT_EQ(size_text(100), "100 bytes");
}

}  // namespace
}  // namespace rvvmm::size_text_test

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

}  // namespace
}  // namespace rvvmm::size_text_test

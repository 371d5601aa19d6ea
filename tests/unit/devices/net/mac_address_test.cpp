#include "devices/net/mac_address.hpp"

#include <gtest/gtest.h>

namespace rvvmm::mac_address_test {
namespace {

TEST(StableMac, IsTheSameForTheSameAndLocallyAdministered) {
  EXPECT_EQ(stable_mac("a"), stable_mac("a"));
  EXPECT_NE(stable_mac("a"), stable_mac("b"));
  EXPECT_NE(stable_mac(""), stable_mac("net1"));
  EXPECT_EQ(stable_mac("a")[0] & 0x03, 0x02);
  EXPECT_EQ(stable_mac("b")[0] & 0x03, 0x02);
}

}  // namespace
}  // namespace rvvmm::mac_address_test

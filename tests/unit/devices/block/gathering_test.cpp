#include "devices/block/gathering.hpp"

#include <gtest/gtest.h>

namespace rvvmm::gathering_test {
namespace {

using std::chrono::microseconds;

TEST(Gathering, RequestsThatComeOneByOneAreNotWaitedFor) {
  Gathering gathering;
  for (int round = 0; round < 100; ++round) {
    EXPECT_FALSE(gathering.is_due()) << round;
    gathering.took(1 + static_cast<uint32_t>(round % 2));
  }
}

TEST(Gathering, SeveralAtOnceAreWaitedForAsLongAsThatBringsSeveral) {
  Gathering gathering;
  gathering.took(3);
  for (int round = 0; round < 100; ++round) {
    ASSERT_TRUE(gathering.is_due()) << round;
    gathering.took_after(16, microseconds{400});
  }
  gathering.took_after(2, microseconds{1});
  EXPECT_FALSE(gathering.is_due());
}

TEST(Gathering, AWaitThatTakesLongForWhatItBringsIsTheLastOne) {
  Gathering gathering;
  gathering.took(16);
  gathering.took_after(16, microseconds{16 * 50});
  ASSERT_TRUE(gathering.is_due());
  gathering.took_after(16, microseconds{16 * 50 + 1});
  EXPECT_FALSE(gathering.is_due());
}

/// Rounds of several requests until the next wait is due.
int rounds_until_due(Gathering& gathering) {
  int rounds = 0;
  for (; !gathering.is_due() && rounds < 1'000'000; ++rounds)
    gathering.took(16);
  return rounds;
}

TEST(Gathering, WaitsInVainBecomeRareAndOnesThatPayCommon) {
  Gathering gathering;
  EXPECT_EQ(rounds_until_due(gathering), 1);
  int before = 0;
  for (int vain = 0; vain < 10; ++vain) {
    gathering.took_after(1, microseconds{700});
    const int rounds = rounds_until_due(gathering);
    EXPECT_TRUE(rounds > before || (rounds == before && rounds == 4097)) << rounds;
    before = rounds;
  }
  for (int paid = 0; paid < 12; ++paid)
    gathering.took_after(16, microseconds{400});
  gathering.took_after(1, microseconds{700});
  EXPECT_LT(rounds_until_due(gathering), 32);
}

}  // namespace
}  // namespace rvvmm::gathering_test

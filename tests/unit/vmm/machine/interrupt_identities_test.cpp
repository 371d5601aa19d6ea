#include "vmm/machine/interrupt_identities.hpp"

#include <gmock/gmock.h>

#include <numeric>

namespace rvvmm::interrupt_identities_test {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr uint16_t kDisk = 2;  // one queue
constexpr uint16_t kFourPairs = 10;

std::vector<VectorWish> disks(size_t count) {
  return std::vector<VectorWish>(count, {.vectors = kDisk, .rank = 1});
}

TEST(IdentitiesBeside, AreWhatThirtyOneLeave) {
  EXPECT_EQ(identities_beside(0), 30U);
  EXPECT_EQ(identities_beside(6), 24U);
  EXPECT_EQ(identities_beside(29), 1U);
  EXPECT_EQ(identities_beside(30), 0U);
  EXPECT_EQ(identities_beside(1000), 0U);
}

TEST(ShareVectors, NobodyGoesShortWhileThereAreEnough) {
  EXPECT_THAT(share_vectors(disks(12), 24), Each(kDisk));
  const std::vector<VectorWish> mixed{{.vectors = kFourPairs}, {.vectors = 17, .rank = 1}};
  EXPECT_THAT(share_vectors(mixed, 27), ElementsAre(10, 17));
  EXPECT_THAT(share_vectors({}, 24), ElementsAre());
}

TEST(ShareVectors, WhoComesTooLateHasAPin) {
  const std::vector<uint16_t> vectors = share_vectors(disks(31), 24);
  for (size_t disk = 0; disk < vectors.size(); ++disk)
    EXPECT_EQ(vectors[disk], disk < 12 ? kDisk : 0) << disk;
  EXPECT_THAT(share_vectors(disks(31), 0), Each(0));
  EXPECT_THAT(share_vectors(disks(1), 1), ElementsAre(0)) << "one vector is of no use to a driver";
}

TEST(ShareVectors, ASharedVectorForManyGoesBeforeManyVectorsForOne) {
  std::vector<VectorWish> wishes = disks(10);
  wishes.push_back({.vectors = kFourPairs, .rank = 0});
  EXPECT_THAT(share_vectors(wishes, 24), ElementsAre(2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2));
  wishes = {{.vectors = kFourPairs}, {.vectors = kFourPairs}, {.vectors = kDisk}};
  EXPECT_THAT(share_vectors(wishes, 20), ElementsAre(10, 2, 2)) << "what is left makes the first one whole";
}

TEST(ShareVectors, LowerRanksComeFirstAndElseTheOrderCounts) {
  const std::vector<VectorWish> wishes{{.vectors = 2, .rank = 2}, {.vectors = 2, .rank = 1}, {.vectors = 3, .rank = 0}};
  EXPECT_THAT(share_vectors(wishes, 4), ElementsAre(0, 2, 2));
  EXPECT_THAT(share_vectors(wishes, 5), ElementsAre(0, 2, 3));
  EXPECT_THAT(share_vectors(wishes, 6), ElementsAre(2, 2, 2));
}

// Whatever is asked for: never more than there are, each all, two or none.
TEST(ShareVectors, KeepsToTheNumberOfIdentities) {
  std::vector<VectorWish> wishes;
  uint32_t state = 1;
  for (size_t count = 0; count <= 31; ++count) {
    for (uint32_t identities = 0; identities <= 30; ++identities) {
      const std::vector<uint16_t> vectors = share_vectors(wishes, identities);
      EXPECT_LE(std::accumulate(vectors.begin(), vectors.end(), 0U), identities);
      for (size_t i = 0; i < vectors.size(); ++i)
        EXPECT_TRUE(vectors[i] == wishes[i].vectors || vectors[i] == 2 || vectors[i] == 0) << vectors[i];
    }
    state = state * 1'103'515'245 + 12'345;
    wishes.push_back({.vectors = static_cast<uint16_t>(2 + state / 65'536 % 16), .rank = uint8_t(state / 4096 % 3)});
  }
}

TEST(ShareInputs, EachHasItsOwnAsLongAsThereAreEnough) {
  EXPECT_EQ(share_inputs(1, 28), 1U);
  EXPECT_EQ(share_inputs(28, 28), 28U);
  EXPECT_EQ(share_inputs(29, 28), 28U);
  EXPECT_EQ(share_inputs(79, 28), 28U);
  EXPECT_EQ(share_inputs(79, 0), 1U);
}

}  // namespace
}  // namespace rvvmm::interrupt_identities_test

#include "observe/log2_histogram.hpp"

#include <gtest/gtest.h>

namespace rvvmm::log2_histogram_test {
namespace {

TEST(Log2Histogram, BucketsArePowersOfTwo) {
  EXPECT_EQ(Log2Histogram::bucket_of(0), 0U);
  EXPECT_EQ(Log2Histogram::bucket_of(1), 1U);
  EXPECT_EQ(Log2Histogram::bucket_of(2), 2U);
  EXPECT_EQ(Log2Histogram::bucket_of(3), 2U);
  EXPECT_EQ(Log2Histogram::bucket_of(4), 3U);
  for (size_t bucket = 1; bucket < 52; ++bucket) {
    EXPECT_EQ(Log2Histogram::bucket_of(Log2Histogram::first_of(bucket)), bucket);
    EXPECT_EQ(Log2Histogram::bucket_of(Log2Histogram::first_of(bucket + 1) - 1), bucket);
  }
}

TEST(Log2Histogram, EveryTimeHasABucket) {
  for (const uint64_t ticks : {UINT64_MAX, UINT64_MAX / 2, UINT64_MAX / 2 + 1, uint64_t{1} << 60})
    EXPECT_LT(Log2Histogram::bucket_of(ticks), Log2Histogram::kBuckets);
}

TEST(Log2Histogram, KeepsCountSumAndLongest) {
  Log2Histogram histogram;
  for (const uint64_t ticks : {0UL, 5UL, 6UL, 1000UL})
    histogram.add(ticks);
  EXPECT_EQ(histogram.count(), 4U);
  EXPECT_EQ(histogram.total, 1011U);
  EXPECT_EQ(histogram.max, 1000U);
  EXPECT_EQ(histogram.buckets[3], 2U);
}

TEST(Log2Histogram, ATimeThatWentBackIsNone) {
  Log2Histogram histogram;
  histogram.add(UINT64_MAX);  // -1
  EXPECT_EQ(histogram.buckets[0], 1U);
  EXPECT_EQ(histogram.total, 0U);
  EXPECT_EQ(histogram.max, 0U);
}

TEST(Log2Histogram, MergesAsIfAllHadBeenAddedToOne) {
  Log2Histogram one;
  Log2Histogram other;
  Log2Histogram both;
  for (uint64_t ticks = 0; ticks < 100; ++ticks) {
    (ticks % 3 == 0 ? one : other).add(ticks * ticks);
    both.add(ticks * ticks);
  }
  one.merge(other);
  EXPECT_EQ(one, both);
}

TEST(Log2Histogram, QuantilesLieInTheirBucket) {
  Log2Histogram histogram;
  EXPECT_EQ(histogram.quantile(0.5), 0);
  for (int i = 0; i < 99; ++i)
    histogram.add(20);  // 16 to 31
  histogram.add(5000);
  EXPECT_GE(histogram.quantile(0.5), 16);
  EXPECT_LT(histogram.quantile(0.5), 32);
  EXPECT_LE(histogram.quantile(0.99), 32);
  EXPECT_EQ(histogram.quantile(1), 5000);
}

TEST(Log2Histogram, NoQuantileIsLongerThanTheLongest) {
  Log2Histogram histogram;
  histogram.add(17);
  EXPECT_EQ(histogram.quantile(0.99), 17);
}

}  // namespace
}  // namespace rvvmm::log2_histogram_test

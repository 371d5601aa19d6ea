#include "base/suggest.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace rvvmm::suggest_test {
namespace {

constexpr std::array<std::string_view, 4> kNames{"kernel", "mem", "smp", "log-level"};

TEST(NearestName, OneWrongLetterIsFound) {
  EXPECT_EQ(nearest_name("kernal", kNames), "kernel");
}

TEST(NearestName, MissingAndDoubledLettersAreFound) {
  EXPECT_EQ(nearest_name("kernl", kNames), "kernel");
  EXPECT_EQ(nearest_name("kernnel", kNames), "kernel");
}

TEST(NearestName, SwappedNeighboursAreOneEdit) {
  EXPECT_EQ(nearest_name("spm", kNames), "smp");
}

TEST(NearestName, TwoEditsNeedALongWord) {
  EXPECT_EQ(nearest_name("logg-levle", kNames), "log-level");
  EXPECT_EQ(nearest_name("mxx", kNames), "");
}

TEST(NearestName, ThreeEditsAreTooMany) {
  EXPECT_EQ(nearest_name("log-lexyz", kNames), "");
}

TEST(NearestName, NothingIsNearToAnEmptyOrAShortWord) {
  EXPECT_EQ(nearest_name("", kNames), "");
  EXPECT_EQ(nearest_name("k", kNames), "");
  EXPECT_EQ(nearest_name("ma", kNames), "");
}

TEST(NearestName, AbbreviationIsNear) {
  EXPECT_EQ(nearest_name("me", kNames), "mem");
  EXPECT_EQ(nearest_name("log", kNames), "log-level");
}

TEST(NearestName, HugeWordsAreNotCompared) {
  EXPECT_EQ(nearest_name(std::string(33, 'a'), kNames), "");
  EXPECT_EQ(nearest_name(std::string(100'000, 'a'), kNames), "");
}

}  // namespace
}  // namespace rvvmm::suggest_test

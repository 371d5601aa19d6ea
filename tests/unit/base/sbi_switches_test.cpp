#include "base/sbi_switches.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace rvvmm::sbi_switches_test {
namespace {

size_t row_named(std::string_view name) {
  const auto at = std::ranges::find(kSbiSwitches, name, &SbiSwitch::name);
  EXPECT_NE(at, kSbiSwitches.end()) << name;
  return static_cast<size_t>(at - kSbiSwitches.begin());
}

TEST(SbiSwitches, NamesAreUniqueAndRangesApart) {
  std::set<std::string_view> names;
  for (const SbiSwitch& extension : kSbiSwitches) {
    EXPECT_TRUE(names.insert(extension.name).second) << extension.name;
    EXPECT_LE(extension.eids.first, extension.eids.last) << extension.name;
    for (const SbiSwitch& other : kSbiSwitches) {
      if (&other == &extension) continue;
      EXPECT_FALSE(other.eids.contains(extension.eids.first)) << extension.name << " and " << other.name;
      EXPECT_FALSE(other.eids.contains(extension.eids.last)) << extension.name << " and " << other.name;
    }
  }
}

// "DBCN" is 0x4442434E: the EID of an extension since SBI 0.3 is its name in ASCII.
TEST(SbiSwitches, EidsOfNewerExtensionsSpellTheirNames) {
  for (const SbiSwitch& extension : kSbiSwitches) {
    if (extension.eids.first != extension.eids.last || extension.version == "0.2") continue;
    std::string spelt;
    for (uint64_t rest = extension.eids.first; rest != 0; rest >>= 8)
      spelt.insert(spelt.begin(), static_cast<char>((rest & 0xFF) | 0x20));
    EXPECT_EQ(spelt, extension.name);
  }
}

TEST(SbiChoices, WithoutAChoiceTheDefaultHolds) {
  const SbiChoices choices;
  EXPECT_EQ(choices.setting(row_named("dbcn")), SbiSetting::kOn);
  EXPECT_EQ(choices.setting(row_named("susp")), SbiSetting::kOn);
  EXPECT_EQ(choices.setting(row_named("mpxy")), SbiSetting::kOff);
  EXPECT_EQ(choices.setting(row_named("sta")), SbiSetting::kLeave);
  for (size_t row = 0; row < kSbiSwitches.size(); ++row)
    EXPECT_EQ(choices.chosen(row), SbiSetting::kLeave);
  EXPECT_FALSE(choices.chose_any_on());
  EXPECT_EQ(choices, SbiChoices{});
}

TEST(SbiChoices, AChoiceWinsOverTheDefault) {
  SbiChoices choices;
  choices.choose(row_named("dbcn"), false);
  EXPECT_EQ(choices.setting(row_named("dbcn")), SbiSetting::kOff);
  EXPECT_FALSE(choices.chose_any_on());
  choices.choose(row_named("mpxy"), true);
  EXPECT_EQ(choices.chosen(row_named("mpxy")), SbiSetting::kOn);
  EXPECT_TRUE(choices.chose_any_on());
}

TEST(SbiChoices, WhatLiesInsideAnExtensionThatIsOffIsOff) {
  SbiChoices choices;
  EXPECT_FALSE(choices.is_off({0x01, 0x02}));
  EXPECT_TRUE(choices.is_off({0x4D505859, 0x4D505859})) << "mpxy is off by default";
  choices.choose(row_named("legacy"), false);
  choices.choose(row_named("experimental"), false);
  EXPECT_TRUE(choices.is_off({0x01, 0x02}));
  EXPECT_TRUE(choices.is_off({0x08000000, 0x08FFFFFF}));
  EXPECT_TRUE(choices.is_off({0x08485643, 0x08485643}));
  EXPECT_FALSE(choices.is_off({0x08, 0x09}));
  EXPECT_FALSE(choices.is_off({0x10, 0x10}));
  EXPECT_FALSE(choices.is_off({0x09000000, 0x09000000}));
}

}  // namespace
}  // namespace rvvmm::sbi_switches_test

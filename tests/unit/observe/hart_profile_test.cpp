#include "observe/hart_profile.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

namespace rvvmm::hart_profile_test {
namespace {

constexpr uint64_t kStart = 1000;

ExitRecord mmio(uint64_t at, bool is_write) {
  ExitRecord exit;
  exit.entered = kStart;
  exit.left = kStart + 8;
  exit.answered = kStart + 10;
  exit.kind = ExitKind::kMmio;
  exit.mmio = {.at = at, .value = 0, .width = 1, .is_write = is_write};
  return exit;
}

ExitRecord sbi(uint64_t eid, uint64_t fid) {
  ExitRecord exit;
  exit.entered = exit.left = exit.answered = kStart;
  exit.kind = ExitKind::kSbi;
  exit.sbi = {.eid = eid, .fid = fid, .args = {}, .error = 0, .value = 0};
  return exit;
}

class HartProfileTest : public ::testing::Test {
 protected:
  uint64_t count(const ExitKey& key) const {
    const auto row = std::ranges::find(profile->rows(), key, &HartProfile::Row::key);
    return row == profile->rows().end() ? 0 : row->costs.user.count();
  }

  std::unique_ptr<HartProfile> profile = std::make_unique<HartProfile>(kStart);
};

TEST_F(HartProfileTest, CountsByAddressAndDirection) {
  for (int i = 0; i < 3; ++i)
    profile->add(mmio(0x1000'0005, false));
  profile->add(mmio(0x1000'0005, true));
  profile->add(mmio(0x1000'0006, false));
  EXPECT_EQ(profile->rows().size(), 3U);
  EXPECT_EQ(count({.what = 0x1000'0005, .kind = ExitKind::kMmio}), 3U);
  EXPECT_EQ(count({.what = 0x1000'0005, .function = 1, .kind = ExitKind::kMmio}), 1U);
}

TEST_F(HartProfileTest, CountsCallsByExtensionAndFunction) {
  profile->add(sbi(0x4442'434E, 2));
  profile->add(sbi(0x4442'434E, 2));
  profile->add(sbi(0x4442'434E, 0));
  EXPECT_EQ(count({.what = 0x4442'434E, .function = 2, .kind = ExitKind::kSbi}), 2U);
  EXPECT_EQ(count({.what = 0x4442'434E, .function = 0, .kind = ExitKind::kSbi}), 1U);
}

TEST_F(HartProfileTest, TellsTimeOfTheGuestFromOurs) {
  profile->add(mmio(0x1000'0005, false));
  const ExitCosts& costs = profile->rows().front().costs;
  EXPECT_EQ(costs.guest.total, 8U);
  EXPECT_EQ(costs.user.total, 2U);
}

TEST_F(HartProfileTest, ATimeThatGoesBackIsNone) {
  ExitRecord exit = mmio(0x1000'0005, false);
  exit.entered = kStart + 3;
  exit.left = kStart + 2;
  exit.answered = kStart + 1;
  profile->add(exit);
  EXPECT_EQ(profile->rows().front().costs.guest.total + profile->rows().front().costs.user.total, 0U);
  EXPECT_EQ(profile->timeline().slots().front().front(), 1U);
}

// The FID is any number of the guest's choice.
TEST_F(HartProfileTest, AGuestThatCallsEverythingFillsTheTableAndNoMore) {
  constexpr uint64_t kCalls = 10'000;
  for (uint64_t fid = 0; fid < kCalls; ++fid)
    profile->add(sbi(0x0900'0000, fid * fid));
  profile->add(mmio(0x1000'0005, false));
  EXPECT_EQ(profile->rows().size(), HartProfile::kMostRows);
  EXPECT_EQ(profile->others()[static_cast<size_t>(ExitKind::kSbi)].user.count(), kCalls - HartProfile::kMostRows);
  EXPECT_EQ(profile->others()[static_cast<size_t>(ExitKind::kMmio)].user.count(), 1U);
  profile->add(sbi(0x0900'0000, 9));
  EXPECT_EQ(count({.what = 0x0900'0000, .function = 9, .kind = ExitKind::kSbi}), 2U) << "known ones are still counted";
}

TEST_F(HartProfileTest, EverySampleIsCounted) {
  uint32_t wanted = 0;
  for (uint32_t i = 0; i < 10 * HartProfile::kSampleEvery; ++i)
    wanted += profile->wants_pc() ? 1 : 0;
  EXPECT_EQ(wanted, 10U);
}

TEST_F(HartProfileTest, PlacesAreBoundedToo) {
  for (uint64_t pc = 0; pc < 2 * HartProfile::kMostPcs; ++pc)
    profile->add_pc(0x8020'0000 + 2 * pc);
  profile->add_pc(0x8020'0000);
  const auto pcs = profile->pcs();
  EXPECT_EQ(pcs.size(), HartProfile::kMostPcs);
  EXPECT_EQ(profile->other_pcs(), HartProfile::kMostPcs);
  EXPECT_EQ(std::ranges::find(pcs, 0x8020'0000U, &HartProfile::Pc::pc)->samples, 2U);
}

TEST(ExitTimeline, WidensWithoutLosingAny) {
  ExitTimeline timeline;
  const uint64_t first_slot = timeline.slot_ticks();
  for (uint64_t i = 0; i < 4 * ExitTimeline::kSlots; ++i)
    timeline.add(ExitKind::kSbi, i * first_slot);
  EXPECT_EQ(timeline.slot_ticks(), 4 * first_slot);
  for (const ExitTimeline::Slot& slot : timeline.slots())
    EXPECT_EQ(slot[static_cast<size_t>(ExitKind::kSbi)], 4U);
}

TEST(ExitTimeline, TakesTheLatestTimeThereIs) {
  ExitTimeline timeline;
  timeline.add(ExitKind::kMmio, 0);
  timeline.add(ExitKind::kMmio, UINT64_MAX);
  EXPECT_EQ(timeline.slots().front().front(), 1U);
  EXPECT_EQ(timeline.slots().back().front(), 1U);
}

TEST(ExitTimeline, MergesAtTheWiderWidth) {
  ExitTimeline narrow;
  ExitTimeline wide;
  narrow.add(ExitKind::kMmio, 1);
  wide.add(ExitKind::kMmio, 0);
  wide.add(ExitKind::kCsr, narrow.slot_ticks() * ExitTimeline::kSlots * 8);
  ExitTimeline sum = narrow;
  sum.merge(wide);
  EXPECT_EQ(sum.slot_ticks(), wide.slot_ticks());
  EXPECT_EQ(sum.slots().front().front(), 2U);
  wide.merge(narrow);
  EXPECT_EQ(wide.slots(), sum.slots());
}

}  // namespace
}  // namespace rvvmm::hart_profile_test

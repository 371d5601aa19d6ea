#include "devices/platform/plic.hpp"

#include <gtest/gtest.h>
#include <libfdt.h>

#include <memory>
#include <thread>
#include <vector>

#include "base/error.hpp"
#include "fakes/fake_irq.hpp"
#include "unit/devices/register_access.hpp"

namespace rvvmm::plic_test {
namespace {

constexpr uint32_t kSources = 95;

uint64_t priority_at(uint32_t source) {
  return uint64_t{4} * source;
}
uint64_t pending_at(uint32_t source) {
  return 0x1000 + uint64_t{source / 32} * 4;
}
uint64_t enable_at(uint32_t hart, uint32_t source) {
  return 0x2000 + uint64_t{0x80} * hart + uint64_t{source / 32} * 4;
}
uint64_t threshold_at(uint32_t hart) {
  return 0x20'0000 + uint64_t{0x1000} * hart;
}
uint64_t claim_at(uint32_t hart) {
  return threshold_at(hart) + 4;
}

class PlicTest : public testing::Test {
 protected:
  uint32_t get(uint64_t offset) { return load_register<uint32_t>(plic_, offset); }
  void put(uint64_t offset, uint32_t value) { store_register(plic_, offset, value); }
  bool pending(uint32_t source) { return (get(pending_at(source)) >> source % 32 & 1) != 0; }
  void set(uint32_t source, bool level) { plic_.line(Gsi{source}).set(level); }

  void enable(uint32_t hart, uint32_t source, uint32_t priority = 1) {
    put(priority_at(source), priority);
    put(enable_at(hart, source), get(enable_at(hart, source)) | 1U << source % 32);
  }
  void disable(uint32_t hart, uint32_t source) {
    put(enable_at(hart, source), get(enable_at(hart, source)) & ~(1U << source % 32));
  }

  FakeHartPin pin0_, pin1_;
  std::vector<HartIrqPin*> pins_{&pin0_, &pin1_};
  Plic plic_{kSources, pins_};
};

TEST_F(PlicTest, AnEnabledSourceReachesItsHartOnly) {
  enable(1, 10);
  set(10, true);
  EXPECT_FALSE(pin0_.level);
  EXPECT_TRUE(pin1_.level);
}

TEST_F(PlicTest, ClaimLowersPinAndPending) {
  enable(0, 10);
  set(10, true);
  EXPECT_TRUE(pending(10));
  EXPECT_EQ(get(claim_at(0)), 10U);
  EXPECT_FALSE(pending(10));
  EXPECT_FALSE(pin0_.level);
  EXPECT_EQ(get(claim_at(0)), 0U);
}

TEST_F(PlicTest, CompletionOfALevelStillHighInterruptsAgain) {
  enable(0, 10);
  set(10, true);
  get(claim_at(0));
  put(claim_at(0), 10);
  EXPECT_TRUE(pin0_.level);
  EXPECT_EQ(get(claim_at(0)), 10U);
}

TEST_F(PlicTest, CompletionOfALevelThatFellIsTheEnd) {
  enable(0, 10);
  set(10, true);
  get(claim_at(0));
  set(10, false);
  put(claim_at(0), 10);
  EXPECT_FALSE(pin0_.level);
  EXPECT_FALSE(pending(10));
}

TEST_F(PlicTest, ALevelThatRisesWhileClaimedWaitsForCompletion) {
  enable(0, 10);
  set(10, true);
  get(claim_at(0));
  set(10, false);
  set(10, true);
  EXPECT_FALSE(pending(10));
  EXPECT_FALSE(pin0_.level);
  put(claim_at(0), 10);
  EXPECT_TRUE(pin0_.level);
}

TEST_F(PlicTest, ARequestStaysPendingWhenItsLevelFalls) {
  enable(0, 10);
  set(10, true);
  set(10, false);
  EXPECT_TRUE(pin0_.level);
  EXPECT_EQ(get(claim_at(0)), 10U);
  put(claim_at(0), 10);
  EXPECT_FALSE(pin0_.level);
}

TEST_F(PlicTest, CompletionOfASourceNotEnabledHereIsIgnored) {
  enable(0, 10);
  set(10, true);
  get(claim_at(0));
  put(claim_at(1), 10);
  EXPECT_FALSE(pending(10));
  disable(0, 10);
  put(claim_at(0), 10);
  EXPECT_FALSE(pending(10));
  enable(0, 10);
  put(claim_at(0), 10);
  EXPECT_TRUE(pending(10));
}

TEST_F(PlicTest, CompletionByAnotherHartForWhichItIsEnabledCounts) {
  enable(0, 10);
  enable(1, 10);
  set(10, true);
  get(claim_at(0));
  put(claim_at(1), 10);
  EXPECT_TRUE(pending(10));
}

TEST_F(PlicTest, CompletionOfWhatNobodyClaimedChangesNothing) {
  enable(0, 10);
  put(claim_at(0), 10);
  set(10, true);
  put(claim_at(0), 10);
  EXPECT_EQ(get(claim_at(0)), 10U);
  EXPECT_EQ(get(claim_at(0)), 0U);
}

TEST_F(PlicTest, CompletionOfASourceThatDoesNotExistIsIgnored) {
  for (const uint32_t source : {0U, kSources + 1, 1024U, 0x8000'0000U, UINT32_MAX})
    put(claim_at(0), source);
  EXPECT_EQ(get(claim_at(0)), 0U);
}

TEST_F(PlicTest, TheHighestPriorityIsClaimedFirstAndOfEqualsTheLowestSource) {
  enable(0, 3, 2);
  enable(0, 40, 5);
  enable(0, 90, 5);
  for (const uint32_t source : {3U, 90U, 40U})
    set(source, true);
  EXPECT_EQ(get(claim_at(0)), 40U);
  EXPECT_EQ(get(claim_at(0)), 90U);
  EXPECT_EQ(get(claim_at(0)), 3U);
  EXPECT_EQ(get(claim_at(0)), 0U);
}

TEST_F(PlicTest, PriorityZeroNeverInterrupts) {
  enable(0, 10, 0);
  set(10, true);
  EXPECT_TRUE(pending(10));
  EXPECT_FALSE(pin0_.level);
  EXPECT_EQ(get(claim_at(0)), 0U);
  put(priority_at(10), 1);
  EXPECT_TRUE(pin0_.level);
}

TEST_F(PlicTest, TheThresholdHoldsBackWhatIsNotAboveIt) {
  enable(0, 10, 3);
  put(threshold_at(0), 3);
  set(10, true);
  EXPECT_FALSE(pin0_.level);
  put(threshold_at(0), 2);
  EXPECT_TRUE(pin0_.level);
}

TEST_F(PlicTest, AClaimDoesNotHeedTheThreshold) {
  enable(0, 10, 3);
  put(threshold_at(0), 7);
  set(10, true);
  EXPECT_EQ(get(claim_at(0)), 10U);
}

TEST_F(PlicTest, DisablingTheSourceLowersThePinAndEnablingRaisesIt) {
  enable(0, 10);
  set(10, true);
  disable(0, 10);
  EXPECT_FALSE(pin0_.level);
  EXPECT_EQ(get(claim_at(0)), 0U);
  enable(0, 10);
  EXPECT_TRUE(pin0_.level);
}

TEST_F(PlicTest, OneHartsClaimLowersTheOthersPin) {
  enable(0, 10);
  enable(1, 10);
  set(10, true);
  EXPECT_TRUE(pin1_.level);
  EXPECT_EQ(get(claim_at(0)), 10U);
  EXPECT_FALSE(pin1_.level);
  EXPECT_EQ(get(claim_at(1)), 0U);
}

TEST_F(PlicTest, OnlyChangesReachThePin) {
  enable(0, 10);
  enable(0, 11);
  set(10, true);
  set(10, true);
  set(11, true);
  EXPECT_EQ(pin0_.calls, 1);
  EXPECT_EQ(pin1_.calls, 0);
  get(claim_at(0));
  EXPECT_EQ(pin0_.calls, 1);
  get(claim_at(0));
  EXPECT_EQ(pin0_.calls, 2);
}

TEST_F(PlicTest, PriorityAndThresholdKeepThreeBits) {
  put(priority_at(10), 0xFFFF'FFFF);
  EXPECT_EQ(get(priority_at(10)), 7U);
  put(threshold_at(0), 0xFFFF'FFF9);
  EXPECT_EQ(get(threshold_at(0)), 1U);
}

TEST_F(PlicTest, SourcesThatDoNotExistHaveNoBits) {
  put(priority_at(0), 7);
  EXPECT_EQ(get(priority_at(0)), 0U);
  put(priority_at(kSources), 7);
  EXPECT_EQ(get(priority_at(kSources)), 7U);
  put(priority_at(kSources + 1), 7);
  EXPECT_EQ(get(priority_at(kSources + 1)), 0U);
  put(enable_at(0, 0), UINT32_MAX);
  EXPECT_EQ(get(enable_at(0, 0)), 0xFFFF'FFFEU);
  put(enable_at(0, kSources), UINT32_MAX);
  EXPECT_EQ(get(enable_at(0, kSources)), UINT32_MAX);
  put(enable_at(0, kSources + 1), UINT32_MAX);
  EXPECT_EQ(get(enable_at(0, kSources + 1)), 0U);
}

TEST_F(PlicTest, PendingBitsIgnoreWrites) {
  set(10, true);
  put(pending_at(10), 0);
  EXPECT_TRUE(pending(10));
  put(pending_at(11), UINT32_MAX);
  EXPECT_FALSE(pending(11));
}

TEST_F(PlicTest, OnlyAlignedWordsAtItsRegistersAreTaken) {
  EXPECT_EQ(load_status<uint8_t>(plic_, 4), IoStatus::kBadWidth);
  EXPECT_EQ(load_status<uint64_t>(plic_, 8), IoStatus::kBadWidth);
  EXPECT_EQ(load_status<uint32_t>(plic_, 6), IoStatus::kBadWidth);
  EXPECT_EQ(store_status<uint64_t>(plic_, claim_at(0), 0), IoStatus::kBadWidth);
  EXPECT_EQ(load_status<uint32_t>(plic_, 0x1080), IoStatus::kNoRegister);
  EXPECT_EQ(load_status<uint32_t>(plic_, enable_at(2, 0)), IoStatus::kNoRegister);
  EXPECT_EQ(load_status<uint32_t>(plic_, threshold_at(2)), IoStatus::kNoRegister);
  EXPECT_EQ(load_status<uint32_t>(plic_, threshold_at(0) + 8), IoStatus::kNoRegister);
  EXPECT_EQ(store_status<uint32_t>(plic_, Plic::kWindowSize - 4, 0), IoStatus::kNoRegister);
}

TEST_F(PlicTest, ALineMayBeAskedForAgain) {
  EXPECT_EQ(&plic_.line(Gsi{1}), &plic_.line(Gsi{1}));
  EXPECT_NE(&plic_.line(Gsi{1}), &plic_.line(Gsi{kSources}));
}

TEST_F(PlicTest, LinesThatDoNotExistAreRefused) {
  EXPECT_THROW(plic_.line(Gsi{0}), SetupError);
  EXPECT_THROW(plic_.line(Gsi{kSources + 1}), SetupError);
}

TEST(Plic, RefusesSizesThatTheLayoutDoesNotHave) {
  FakeHartPin pin;
  const std::vector<HartIrqPin*> one{&pin};
  EXPECT_THROW((Plic{0, one}), SetupError);
  EXPECT_THROW((Plic{1024, one}), SetupError);
  EXPECT_THROW((Plic{95, {}}), SetupError);
  EXPECT_THROW((Plic{95, std::vector<HartIrqPin*>(Plic::kMaxContexts + 1, &pin)}), SetupError);
}

TEST(Plic, TheLastSourceAndTheLastContextWork) {
  FakeHartPin pin;
  Plic plic{1023, std::vector<HartIrqPin*>(Plic::kMaxContexts, &pin)};
  const uint32_t last = Plic::kMaxContexts - 1;
  store_register<uint32_t>(plic, priority_at(1023), 1);
  store_register<uint32_t>(plic, enable_at(last, 1023), 0x8000'0000);
  plic.line(Gsi{1023}).set(true);
  EXPECT_TRUE(pin.level);
  EXPECT_LT(claim_at(last), Plic::kWindowSize);
  EXPECT_EQ(load_register<uint32_t>(plic, claim_at(last)), 1023U);
}

TEST(Plic, ALastSourceOnAWordBoundaryWorks) {
  FakeHartPin pin;
  Plic plic{32, std::vector<HartIrqPin*>{&pin}};
  store_register<uint32_t>(plic, priority_at(32), 1);
  store_register<uint32_t>(plic, enable_at(0, 32), UINT32_MAX);
  EXPECT_EQ(load_register<uint32_t>(plic, enable_at(0, 32)), 1U);
  plic.line(Gsi{32}).set(true);
  EXPECT_EQ(load_register<uint32_t>(plic, claim_at(0)), 32U);
}

TEST(Plic, DescribesItselfWithOneContextAHart) {
  FakeHartPin pin;
  const Plic plic{kSources, std::vector<HartIrqPin*>{&pin, &pin}};
  FdtBuilder fdt;
  const std::array<uint32_t, 2> intcs{7, 8};
  plic.describe_controller(fdt, {.window = {.base = Gpa{0xC00'0000}, .size = Plic::kWindowSize}, .interrupts = {}},
                           intcs, 3);
  const std::vector<std::byte> blob = fdt.finish();
  const int node = fdt_path_offset(blob.data(), "/interrupt-controller@c000000");
  ASSERT_GE(node, 0);
  EXPECT_EQ(fdt_node_check_compatible(blob.data(), node, "sifive,plic-1.0.0"), 0);
  EXPECT_EQ(fdt_get_phandle(blob.data(), node), 3U);
  int length = 0;
  const auto* const cells = static_cast<const fdt32_t*>(fdt_getprop(blob.data(), node, "interrupts-extended", &length));
  ASSERT_EQ(length, 16);
  const std::array<uint32_t, 4> expected{7, 9, 8, 9};
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_EQ(fdt32_to_cpu(cells[i]), expected[i]);
  const auto* const ndev = static_cast<const fdt32_t*>(fdt_getprop(blob.data(), node, "riscv,ndev", nullptr));
  EXPECT_EQ(fdt32_to_cpu(*ndev), kSources);
}

// Harts fight for the interrupts of sources that rise while they are claimed: each rise of a level that waited for
// its service is served exactly once.
TEST(Plic, HartsThatClaimAtTheSameTimeNeverShareAnInterrupt) {
  constexpr uint32_t kHarts = 4;
  constexpr uint32_t kLines = 8;
  constexpr uint32_t kRounds = 2000;
  std::array<FakeHartPin, kHarts> pins;
  std::vector<HartIrqPin*> pointers;
  for (FakeHartPin& pin : pins)
    pointers.push_back(&pin);
  Plic plic{kLines, pointers};
  for (uint32_t source = 1; source <= kLines; ++source)
    store_register<uint32_t>(plic, priority_at(source), 1);
  for (uint32_t hart = 0; hart < kHarts; ++hart)
    store_register<uint32_t>(plic, enable_at(hart, 1), 0x1FE);

  std::array<std::atomic<uint32_t>, kLines + 1> raised{};  // by the devices
  std::array<std::atomic<uint32_t>, kLines + 1> served{};  // by the harts
  std::array<std::atomic<bool>, kLines + 1> in_service{};
  std::atomic<bool> shared = false;
  std::atomic<bool> done = false;
  {
    std::vector<std::jthread> harts;
    for (uint32_t hart = 0; hart < kHarts; ++hart) {
      harts.emplace_back([&, hart] {
        while (!done) {
          if (!pins[hart].level) {
            std::this_thread::yield();
            continue;
          }
          const uint32_t source = load_register<uint32_t>(plic, claim_at(hart));
          if (source == 0) continue;
          if (in_service[source].exchange(true)) shared = true;
          plic.line(Gsi{source}).set(false);
          in_service[source] = false;
          ++served[source];
          store_register<uint32_t>(plic, claim_at(hart), source);
        }
      });
    }
    for (uint32_t round = 1; round <= kRounds; ++round) {
      for (uint32_t source = 1; source <= kLines; ++source) {
        while (served[source] < raised[source])
          std::this_thread::yield();
        ++raised[source];
        plic.line(Gsi{source}).set(true);
      }
    }
    for (uint32_t source = 1; source <= kLines; ++source) {
      while (served[source] < raised[source])
        std::this_thread::yield();
    }
    done = true;
  }
  EXPECT_FALSE(shared);
  for (uint32_t source = 1; source <= kLines; ++source)
    EXPECT_EQ(served[source], kRounds) << source;
  for (const FakeHartPin& pin : pins)
    EXPECT_FALSE(pin.level);
}

TEST_F(PlicTest, StateSurvivesARoundTrip) {
  enable(0, 10, 3);
  enable(1, 40, 5);
  enable(1, 95, 7);
  put(threshold_at(0), 2);
  put(threshold_at(1), 6);
  for (const uint32_t source : {10U, 40U, 95U, 50U})
    set(source, true);
  EXPECT_EQ(get(claim_at(1)), 95U);
  set(50, false);
  const PlicState saved = plic_.state();
  FakeHartPin pin0;
  FakeHartPin pin1;
  const std::vector<HartIrqPin*> pins{&pin0, &pin1};
  Plic other{kSources, pins};
  other.restore(saved);
  EXPECT_EQ(other.state(), saved);
  EXPECT_TRUE(pin0.level);
  EXPECT_FALSE(pin1.level) << "source 40 is not above the threshold, 95 is being served";
  // They go on alike: the served one, still high, interrupts again at its completion.
  store_register<uint32_t>(other, claim_at(1), 95);
  EXPECT_TRUE(pin1.level);
  for (const uint32_t expected : {95U, 40U, 0U})
    EXPECT_EQ(load_register<uint32_t>(other, claim_at(1)), expected);
  EXPECT_EQ(load_register<uint32_t>(other, claim_at(0)), 10U);
}

TEST_F(PlicTest, ARestoredStateThatNoPlicCanHaveIsCutToOneThatCan) {
  PlicState wrong;
  wrong.priority.fill(0xFF);
  wrong.level.fill(UINT32_MAX);
  wrong.pending.fill(UINT32_MAX);
  wrong.claimed.fill(0x5555'5555);
  wrong.contexts.resize(1000);
  for (PlicState::Context& context : wrong.contexts) {
    context.enabled.fill(UINT32_MAX);
    context.threshold = UINT32_MAX;
  }
  plic_.restore(wrong);
  EXPECT_EQ(get(priority_at(0)), 0U);
  EXPECT_EQ(get(priority_at(1)), 7U);
  EXPECT_EQ(get(priority_at(kSources + 1)), 0U);
  EXPECT_EQ(get(threshold_at(1)), 7U);
  EXPECT_EQ(get(enable_at(0, 0)), 0xFFFF'FFFEU);
  EXPECT_EQ(get(enable_at(0, 96)), 0U);
  EXPECT_EQ(get(pending_at(0)), 0xAAAA'AAAAU) << "none is pending and claimed";
  EXPECT_EQ(get(pending_at(96)), 0U);
  EXPECT_FALSE(pin0_.level);
}

TEST_F(PlicTest, HartsThatARestoredStateDoesNotHaveAreAsAfterPowerOn) {
  enable(1, 10);
  set(10, true);
  PlicState state = plic_.state();
  state.contexts.resize(1);
  plic_.restore(state);
  EXPECT_EQ(get(enable_at(1, 10)), 0U);
  EXPECT_FALSE(pin1_.level);
}

}  // namespace
}  // namespace rvvmm::plic_test

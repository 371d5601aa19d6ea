#include "sbi/sbi_dispatcher.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "fakes/fake_console_ends.hpp"
#include "fakes/sbi_table.hpp"
#include "sbi/base_probe.hpp"
#include "sbi/legacy_console.hpp"

namespace rvvmm::sbi_dispatcher_test {
namespace {

class Answering final : public SbiExtension {
 public:
  explicit Answering(EidRange eids) : eids_(eids) {}
  std::string_view name() const noexcept override { return "answering"; }
  EidRange eids() const noexcept override { return eids_; }
  SbiRet handle(HartId hart, const SbiCall& call) noexcept override {
    return SbiRet::ok(call.eid * 100 + call.fid * 10 + hart.value);
  }

 private:
  EidRange eids_;
};

constexpr SbiRet kNotSupported = SbiRet::fail(SbiError::kNotSupported);

TEST(SbiDispatcher, FindsTheExtensionAtBothEndsOfItsRange) {
  SbiDispatcher sbi;
  sbi.add(std::make_unique<Answering>(EidRange{10, 12}));
  EXPECT_EQ(sbi.dispatch(HartId{1}, {.eid = 10, .fid = 2}), SbiRet::ok(1021));
  EXPECT_EQ(sbi.dispatch(HartId{0}, {.eid = 12}), SbiRet::ok(1200));
}

TEST(SbiDispatcher, EidOutsideEveryRangeIsNotSupportedAndCounted) {
  SbiDispatcher sbi;
  const uint64_t before = sbi.unknown_calls();
  sbi.add(std::make_unique<Answering>(EidRange{10, 12}));
  EXPECT_EQ(sbi.dispatch(HartId{0}, {.eid = 9}), kNotSupported);
  EXPECT_EQ(sbi.dispatch(HartId{0}, {.eid = 13}), kNotSupported);
  EXPECT_EQ(sbi.dispatch(HartId{0}, {.eid = UINT64_MAX}), kNotSupported);
  EXPECT_EQ(sbi.unknown_calls() - before, 3U);
}

TEST(SbiDispatcher, OverlappingRangesAreRefused) {
  SbiDispatcher sbi;
  sbi.add(std::make_unique<Answering>(EidRange{10, 20}));
  EXPECT_THROW(sbi.add(std::make_unique<Answering>(EidRange{20, 30})), SetupError);
  EXPECT_THROW(sbi.add(std::make_unique<Answering>(EidRange{5, 10})), SetupError);
  EXPECT_THROW(sbi.add(std::make_unique<Answering>(EidRange{12, 13})), SetupError);
  EXPECT_THROW(sbi.add(std::make_unique<Answering>(EidRange{0, 100})), SetupError);
}

TEST(SbiDispatcher, NeighbouringRangesAreBothFound) {
  SbiDispatcher sbi;
  sbi.add(std::make_unique<Answering>(EidRange{20, 29}));
  sbi.add(std::make_unique<Answering>(EidRange{10, 19}));
  EXPECT_TRUE(sbi.provides(19));
  EXPECT_TRUE(sbi.provides(20));
  EXPECT_FALSE(sbi.provides(30));
}

TEST(SbiDispatcher, ListsItsExtensionsByEid) {
  SbiDispatcher sbi;
  sbi.add(std::make_unique<Answering>(EidRange{20, 29}));
  sbi.add(std::make_unique<Answering>(EidRange{10, 10}));
  const auto entries = sbi.entries();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].eids, (EidRange{10, 10}));
  EXPECT_EQ(entries[1].eids, (EidRange{20, 29}));
  EXPECT_EQ(entries[1].name, "answering");
}

TEST(BaseProbe, SaysWhatTheDispatcherProvides) {
  SbiDispatcher sbi;
  sbi.add(std::make_unique<Answering>(EidRange{0x0800'0001, 0x0800'0001}));
  sbi.add(std::make_unique<BaseProbe>(sbi));
  EXPECT_EQ(sbi.dispatch(HartId{0}, {.eid = 0x10, .fid = 3, .args = {0x0800'0001}}), SbiRet::ok(1));
  EXPECT_EQ(sbi.dispatch(HartId{0}, {.eid = 0x10, .fid = 3, .args = {0x0800'0002}}), SbiRet::ok(0));
  EXPECT_EQ(sbi.dispatch(HartId{0}, {.eid = 0x10, .fid = 3, .args = {0x09FF'FFFF}}), SbiRet::ok(0));
}

TEST(BaseProbe, OfWhatTheKernelAnswersItKnowsNothing) {
  SbiDispatcher sbi;
  sbi.add(std::make_unique<BaseProbe>(sbi));
  for (const uint64_t eid : {0x10UL, 0x5449'4D45UL, 0x07FF'FFFFUL, 0x0A00'0000UL, UINT64_MAX})
    EXPECT_EQ(sbi.dispatch(HartId{0}, {.eid = 0x10, .fid = 3, .args = {eid}}), kNotSupported) << eid;
}

TEST(BaseProbe, OtherFunctionsAreNotSupported) {
  SbiDispatcher sbi;
  sbi.add(std::make_unique<BaseProbe>(sbi));
  EXPECT_EQ(sbi.dispatch(HartId{0}, {.eid = 0x10, .fid = 0}), kNotSupported);
}

TEST(LegacyConsole, PutcharWritesOneByte) {
  RecordingSink out;
  ScriptedSource in;
  LegacyConsole console{out, in};
  EXPECT_EQ(console.handle(HartId{0}, {.eid = 1, .args = {0x141}}), SbiRet::legacy(0, 0));
  EXPECT_EQ(out.text, "A");
}

TEST(LegacyConsole, GetcharReturnsTheByteOrMinusOne) {
  RecordingSink out;
  ScriptedSource in{"\xFF"};
  LegacyConsole console{out, in};
  EXPECT_EQ(console.handle(HartId{0}, {.eid = 2, .args = {0, 9}}), SbiRet::legacy(0xFF, 9));
  EXPECT_EQ(console.handle(HartId{0}, {.eid = 2}), SbiRet::legacy(-1, 0));
}

TEST(Extensions, TheListHasNoOverlapAndAnswersItsEids) {
  const GuestMemory memory{Gpa{0x8000'0000}, 4_KiB};
  const SbiTable table{memory};
  for (const uint64_t eid :
       {0x01UL, 0x02UL, 0x10UL, 0x4442434EUL, 0x4D505859UL, 0x53555350UL, 0x08485643UL, 0x48534DUL, 0x0848534DUL})
    EXPECT_TRUE(table.sbi.provides(eid)) << eid;
  for (const uint64_t eid : {0x00UL, 0x03UL, 0x0800'0000UL, 0x09FF'FFFFUL})
    EXPECT_FALSE(table.sbi.provides(eid)) << eid;
}

SbiChoices switched_off(std::string_view name) {
  SbiChoices choices;
  for (size_t row = 0; row < kSbiSwitches.size(); ++row)
    if (kSbiSwitches[row].name == name) choices.choose(row, false);
  EXPECT_NE(choices, SbiChoices{}) << name;
  return choices;
}

TEST(Extensions, WhatIsSwitchedOffNobodyAnswers) {
  const GuestMemory memory{Gpa{0x8000'0000}, 4_KiB};
  SbiTable dbcn{memory, switched_off("dbcn")};
  EXPECT_EQ(dbcn.sbi.dispatch(HartId{0}, {.eid = 0x4442434E, .fid = 2, .args = {'x'}}), kNotSupported);
  EXPECT_EQ(dbcn.out.text, "");
  const SbiTable legacy{memory, switched_off("legacy")};
  EXPECT_FALSE(legacy.sbi.provides(1));
  EXPECT_TRUE(legacy.sbi.provides(0x4442434E));
  const SbiTable mpxy{memory, switched_off("mpxy")};
  EXPECT_FALSE(mpxy.sbi.provides(0x4D505859));
}

TEST(Extensions, OfARangeThatIsOffNothingIsProbedAsPresent) {
  const GuestMemory memory{Gpa{0x8000'0000}, 4_KiB};
  SbiTable table{memory, switched_off("experimental")};
  for (const uint64_t eid : {0x08485643UL, 0x0848534DUL}) {
    EXPECT_FALSE(table.sbi.provides(eid)) << eid;
    EXPECT_EQ(table.sbi.dispatch(HartId{0}, {.eid = 0x10, .fid = 3, .args = {eid}}), SbiRet::ok(0)) << eid;
  }
}

}  // namespace
}  // namespace rvvmm::sbi_dispatcher_test

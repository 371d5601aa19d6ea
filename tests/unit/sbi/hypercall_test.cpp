#include "sbi/hypercall.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <cstring>

#include "base/log.hpp"
#include "fakes/sbi_table.hpp"

namespace rvvmm::hypercall_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kRamSize = 64_KiB;
constexpr Gpa kRamEnd = kRam + kRamSize;
constexpr uint64_t kDbcn = 0x4442434E;
constexpr SbiRet kInvalidParam = SbiRet::fail(SbiError::kInvalidParam);
constexpr SbiRet kInvalidAddress = SbiRet::fail(SbiError::kInvalidAddress);
constexpr SbiRet kDenied = SbiRet::fail(SbiError::kDenied);
constexpr SbiRet kNotSupported = SbiRet::fail(SbiError::kNotSupported);

class HypercallTest : public ::testing::Test {
 protected:
  void TearDown() override { log::set_level(log::Module::kGuest, log::Level::kWarn); }

  SbiRet call(uint64_t fid, uint64_t a0 = 0, uint64_t a1 = 0, uint64_t a2 = 0, uint64_t a3 = 0) {
    return table.sbi.dispatch(HartId{0}, SbiCall{.eid = RVVMM_HYPERCALL_EID, .fid = fid, .args = {a0, a1, a2, a3}});
  }
  void put(Gpa at, std::string_view text) {
    std::memcpy(memory.slice(at, text.size())->data(), text.data(), text.size());
  }
  void put_entries(const std::vector<rvvmm_batch_entry>& entries, Gpa at = kRam) {
    for (size_t i = 0; i < entries.size(); ++i)
      memory.store(at + i * sizeof(rvvmm_batch_entry), entries[i]);
  }
  SbiRet answer(uint64_t index) {
    const auto entry = *memory.load<rvvmm_batch_entry>(kRam + index * sizeof(rvvmm_batch_entry));
    return {.error = static_cast<int64_t>(entry.ret[0]), .value = entry.ret[1]};
  }

  GuestMemory memory{kRam, kRamSize};
  SbiTable table{memory};
};

rvvmm_batch_entry entry(uint64_t eid, uint64_t fid, uint64_t a0 = 0, uint64_t a1 = 0, uint64_t a2 = 0) {
  return {.eid = eid, .fid = fid, .args = {a0, a1, a2, 0, 0, 0}, .ret = {77, 88}};
}
rvvmm_batch_entry write_byte(char c) {
  return entry(kDbcn, 2, static_cast<uint64_t>(c));
}

TEST_F(HypercallTest, VersionIsTheHeadersAndFeaturesHaveABitForEachFunction) {
  EXPECT_EQ(call(RVVMM_HC_VERSION), SbiRet::ok(RVVMM_HYPERCALL_VERSION));
  const SbiRet features = call(RVVMM_HC_FEATURES);
  EXPECT_EQ(features.error, 0);
  for (uint64_t fid = 0; fid < 64; ++fid) {
    const bool answered = fid <= RVVMM_HC_BATCH;
    EXPECT_EQ((features.value >> fid & 1) != 0, answered) << fid;
    if (answered) continue;
    EXPECT_EQ(call(fid, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX), kNotSupported) << fid;
  }
  EXPECT_EQ(call(UINT64_MAX), kNotSupported);
}

TEST_F(HypercallTest, ExitEndsTheMachineWithTheStatus) {
  EXPECT_EQ(call(RVVMM_HC_EXIT, 0), SbiRet::ok());
  EXPECT_EQ(call(RVVMM_HC_EXIT, 255), SbiRet::ok());
  EXPECT_THAT(table.finish.requests, ElementsAre(FinishRequest{.kind = FinishKind::kPass, .code = 0},
                                                 FinishRequest{.kind = FinishKind::kFail, .code = 255}));
}

TEST_F(HypercallTest, ExitWithAStatusThatNoProcessHasIsRefused) {
  EXPECT_EQ(call(RVVMM_HC_EXIT, 256), kInvalidParam);
  EXPECT_EQ(call(RVVMM_HC_EXIT, UINT64_MAX), kInvalidParam);
  EXPECT_THAT(table.finish.requests, IsEmpty());
}

TEST_F(HypercallTest, LogWritesOneLineWhateverTheGuestPutIn) {
  put(kRam, "up\n\x1b[2Jand \xc2\x9b running");
  log::set_level(log::Module::kGuest, log::Level::kInfo);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(call(RVVMM_HC_LOG, RVVMM_LOG_INFO, 21, kRam.value), SbiRet::ok(21));
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, ::testing::EndsWith("info guest: hart 0: up??[2Jand ?? running\n"));
}

TEST_F(HypercallTest, LogBelowTheLevelSucceedsAndSaysNothing) {
  put(kRam, "quiet");
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(call(RVVMM_HC_LOG, RVVMM_LOG_INFO, 5, kRam.value), SbiRet::ok(5));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(HypercallTest, LongLineIsCutAndSaysSo) {
  std::ranges::fill(memory.bytes(), std::byte{'l'});
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(call(RVVMM_HC_LOG, RVVMM_LOG_WARN, kRamSize, kRam.value), SbiRet::ok(RVVMM_LOG_MAX_BYTES));
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, ::testing::EndsWith("hart 0: " + std::string(RVVMM_LOG_MAX_BYTES, 'l') + "\n"));
}

TEST_F(HypercallTest, LogWithBadArgumentsIsRefused) {
  EXPECT_EQ(call(RVVMM_HC_LOG, 4, 1, kRam.value), kInvalidParam);
  EXPECT_EQ(call(RVVMM_HC_LOG, UINT64_MAX, 1, kRam.value), kInvalidParam);
  EXPECT_EQ(call(RVVMM_HC_LOG, 0, 2, kRamEnd.value - 1), kInvalidAddress);
  EXPECT_EQ(call(RVVMM_HC_LOG, 0, UINT64_MAX, kRam.value), kInvalidAddress);
  EXPECT_EQ(call(RVVMM_HC_LOG, 0, 1, kRam.value, 1), kInvalidAddress);
}

TEST_F(HypercallTest, LineThatIsDroppedIsDenied) {
  put(kRam, "x");
  ::testing::internal::CaptureStderr();
  SbiRet last;
  for (uint32_t i = 0; i < 100 * GuestLog::kLinesPerSecond && last.error == 0; ++i)
    last = call(RVVMM_HC_LOG, RVVMM_LOG_ERROR, 1, kRam.value);
  ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(last, kDenied);
}

TEST_F(HypercallTest, MarkPassesTheNameOnAndSaysWhetherItIsRecorded) {
  put(kRam, "init");
  table.marks.most = 1;
  EXPECT_EQ(call(RVVMM_HC_MARK, 4, kRam.value), SbiRet::ok(1));
  EXPECT_EQ(call(RVVMM_HC_MARK, 4, kRam.value), SbiRet::ok(0));
  EXPECT_THAT(table.marks.names, ElementsAre("init"));
}

TEST_F(HypercallTest, MarkWithBadArgumentsIsRefused) {
  EXPECT_EQ(call(RVVMM_HC_MARK, 0, kRam.value), kInvalidParam);
  EXPECT_EQ(call(RVVMM_HC_MARK, RVVMM_MARK_MAX_BYTES + 1, kRam.value), kInvalidParam);
  EXPECT_EQ(call(RVVMM_HC_MARK, UINT64_MAX, kRam.value), kInvalidParam);
  EXPECT_EQ(call(RVVMM_HC_MARK, 2, kRamEnd.value - 1), kInvalidAddress);
  EXPECT_EQ(call(RVVMM_HC_MARK, 1, kRam.value, 1), kInvalidAddress);
  EXPECT_EQ(call(RVVMM_HC_MARK, RVVMM_MARK_MAX_BYTES, kRamEnd.value - RVVMM_MARK_MAX_BYTES), SbiRet::ok(1));
}

TEST_F(HypercallTest, WallClockIsTheHosts) {
  using namespace std::chrono;
  const auto now = [] { return duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count(); };
  const auto before = now();
  const SbiRet ret = call(RVVMM_HC_WALL_CLOCK);
  EXPECT_EQ(ret.error, 0);
  EXPECT_GE(ret.value, static_cast<uint64_t>(before));
  EXPECT_LE(ret.value, static_cast<uint64_t>(now()));
}

TEST_F(HypercallTest, BatchAnswersItsEntriesInOrder) {
  put_entries({write_byte('a'), entry(0x0800'0000, 0), entry(RVVMM_HYPERCALL_EID, RVVMM_HC_VERSION), write_byte('b'),
               entry(0x10, 3, 0x5449'4D45)});
  EXPECT_EQ(call(RVVMM_HC_BATCH, 5, kRam.value), SbiRet::ok(5));
  EXPECT_EQ(table.out.text, "ab");
  EXPECT_EQ(answer(0), SbiRet::ok());
  EXPECT_EQ(answer(1), kNotSupported);
  EXPECT_EQ(answer(2), SbiRet::ok(RVVMM_HYPERCALL_VERSION));
  EXPECT_EQ(answer(3), SbiRet::ok());
  EXPECT_EQ(answer(4), kNotSupported) << "the kernel answers that, and a batch does not reach it";
}

TEST_F(HypercallTest, BatchStopsAtTheFirstErrorWhereAsked) {
  put_entries({write_byte('a'), entry(0x0800'0000, 0), write_byte('b')});
  EXPECT_EQ(call(RVVMM_HC_BATCH, 3, kRam.value, 0, RVVMM_BATCH_STOP_ON_ERROR), SbiRet::ok(2));
  EXPECT_EQ(table.out.text, "a");
  EXPECT_EQ(answer(1), kNotSupported);
  EXPECT_EQ(answer(2), (SbiRet{.error = 77, .value = 88})) << "an entry that was not reached is left alone";
}

TEST_F(HypercallTest, BatchInABatchIsDenied) {
  put_entries({entry(RVVMM_HYPERCALL_EID, RVVMM_HC_BATCH, 1, kRam.value), write_byte('a')});
  EXPECT_EQ(call(RVVMM_HC_BATCH, 2, kRam.value), SbiRet::ok(2));
  EXPECT_EQ(answer(0), kDenied);
  EXPECT_EQ(table.out.text, "a");
}

TEST_F(HypercallTest, BatchDoesNotReachWhatTheKernelHasAPartIn) {
  put_entries({entry(0x53555350, 0, 0, kRam.value)});
  EXPECT_EQ(call(RVVMM_HC_BATCH, 1, kRam.value), SbiRet::ok(1));
  EXPECT_EQ(answer(0), kNotSupported);
  EXPECT_EQ(table.harts.states[0], HsmState::kStarted);
}

TEST_F(HypercallTest, BatchEndsWithAnExitThatSucceeds) {
  put_entries({entry(RVVMM_HYPERCALL_EID, RVVMM_HC_EXIT, 1'000), entry(RVVMM_HYPERCALL_EID, RVVMM_HC_EXIT, 3),
               write_byte('a')});
  EXPECT_EQ(call(RVVMM_HC_BATCH, 3, kRam.value), SbiRet::ok(2));
  EXPECT_EQ(answer(0), kInvalidParam);
  EXPECT_THAT(table.finish.requests, ElementsAre(FinishRequest{.kind = FinishKind::kFail, .code = 3}));
  EXPECT_EQ(table.out.text, "");
}

TEST_F(HypercallTest, BatchOfNothingAnswersNothing) {
  EXPECT_EQ(call(RVVMM_HC_BATCH, 0, kRam.value), SbiRet::ok(0));
}

TEST_F(HypercallTest, BatchTakesAsManyEntriesAsTheHeaderSaysUpToTheLastByteOfRam) {
  constexpr uint64_t kMost = RVVMM_BATCH_MAX_ENTRIES;
  const Gpa last = kRamEnd + -(kMost * sizeof(rvvmm_batch_entry));
  put_entries(std::vector<rvvmm_batch_entry>(kMost, write_byte('x')), last);
  EXPECT_EQ(call(RVVMM_HC_BATCH, kMost, last.value), SbiRet::ok(kMost));
  EXPECT_EQ(table.out.text, std::string(kMost, 'x'));
  EXPECT_EQ(call(RVVMM_HC_BATCH, kMost, last.value + 8), kInvalidAddress);
}

TEST_F(HypercallTest, BatchWithBadArgumentsCallsNothing) {
  put_entries({write_byte('a')});
  EXPECT_EQ(call(RVVMM_HC_BATCH, RVVMM_BATCH_MAX_ENTRIES + 1, kRam.value), kInvalidParam);
  EXPECT_EQ(call(RVVMM_HC_BATCH, UINT64_MAX, kRam.value), kInvalidParam);
  EXPECT_EQ(call(RVVMM_HC_BATCH, 1, kRam.value + 4), kInvalidParam);
  EXPECT_EQ(call(RVVMM_HC_BATCH, 1, kRam.value, 0, 2), kInvalidParam);
  EXPECT_EQ(call(RVVMM_HC_BATCH, 1, kRam.value, 1), kInvalidAddress);
  EXPECT_EQ(call(RVVMM_HC_BATCH, 1, 0), kInvalidAddress);
  EXPECT_EQ(call(RVVMM_HC_BATCH, 1, kRam.value - 8), kInvalidAddress);
  EXPECT_EQ(call(RVVMM_HC_BATCH, 2, kRamEnd.value - 80), kInvalidAddress);
  EXPECT_EQ(table.out.text, "");
}

}  // namespace
}  // namespace rvvmm::hypercall_test

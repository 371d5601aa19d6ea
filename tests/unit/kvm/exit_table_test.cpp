#include "kvm/exit_table.hpp"

#include <gtest/gtest.h>

#include <cerrno>

#include <cstring>
#include <vector>

namespace rvvmm::exit_table_test {
namespace {

class RecordingIo final : public VcpuIo {
 public:
  void mmio_read(HartId hart, Gpa at, std::span<std::byte> out) noexcept override {
    last_hart = hart;
    last_address = at;
    last_len = out.size();
    std::memcpy(out.data(), &answer, out.size());
  }
  void mmio_write(HartId hart, Gpa at, std::span<const std::byte> in) noexcept override {
    last_hart = hart;
    last_address = at;
    written.assign(in.begin(), in.end());
  }
  SbiRet sbi_ecall(HartId hart, const SbiCall& call) noexcept override {
    last_hart = hart;
    last_call = call;
    return sbi_answer;
  }
  std::optional<uint64_t> csr_access(HartId /*hart*/, const CsrAccess& access) noexcept override {
    last_csr = access;
    return csr_answer;
  }
  void system_event(HartId /*hart*/, const SystemEvent& event) noexcept override { last_event = event; }
  std::string what_is_at(Gpa /*at*/, bool /*is_write*/) const override { return ""; }

  HartId last_hart;
  Gpa last_address;
  size_t last_len = 0;
  uint64_t answer = 0;
  std::vector<std::byte> written;
  SbiCall last_call;
  SbiRet sbi_answer;
  CsrAccess last_csr;
  std::optional<uint64_t> csr_answer;
  SystemEvent last_event;
};

class ExitTableTest : public ::testing::Test {
 protected:
  RunOutcome handle(uint32_t reason) {
    run.exit_reason = reason;
    exit.afterwork = Afterwork::kNone;
    return exit_handler(reason).handle(exit);
  }

  kvm_run run{};
  RecordingIo io;
  ExitContext exit{.run = run, .hart = HartId{3}, .io = &io};
};

TEST_F(ExitTableTest, MmioWritePassesAddressAndExactlyItsBytes) {
  run.mmio.phys_addr = 0x1000'0000;
  run.mmio.len = 2;
  run.mmio.is_write = 1;
  run.mmio.data[0] = 0x34;
  run.mmio.data[1] = 0x12;
  EXPECT_EQ(handle(KVM_EXIT_MMIO), RunOutcome::kContinue);
  EXPECT_EQ(io.last_hart, HartId{3});
  EXPECT_EQ(io.last_address, Gpa{0x1000'0000});
  EXPECT_EQ(io.written, (std::vector<std::byte>{std::byte{0x34}, std::byte{0x12}}));
}

TEST_F(ExitTableTest, MmioReadFillsKvmRun) {
  run.mmio.phys_addr = 0x1000'0005;
  run.mmio.len = 1;
  run.mmio.is_write = 0;
  io.answer = 0x60;
  EXPECT_EQ(handle(KVM_EXIT_MMIO), RunOutcome::kContinue);
  EXPECT_EQ(io.last_len, 1U);
  EXPECT_EQ(run.mmio.data[0], 0x60);
  EXPECT_EQ(exit.afterwork, Afterwork::kNone);
}

TEST_F(ExitTableTest, NarrowLoadWithItsTopBitSetIsInDoubt) {
  run.mmio.len = 4;
  run.mmio.is_write = 0;
  io.answer = 0x8000'0000;
  handle(KVM_EXIT_MMIO);
  EXPECT_EQ(exit.afterwork, Afterwork::kSignedLoadInDoubt);
}

TEST_F(ExitTableTest, FullWidthLoadIsNeverInDoubt) {
  run.mmio.len = 8;
  run.mmio.is_write = 0;
  io.answer = UINT64_MAX;
  handle(KVM_EXIT_MMIO);
  EXPECT_EQ(exit.afterwork, Afterwork::kNone);
}

TEST_F(ExitTableTest, MmioLengthBeyondTheBufferIsCut) {
  run.mmio.len = 4096;
  run.mmio.is_write = 0;
  handle(KVM_EXIT_MMIO);
  EXPECT_EQ(io.last_len, 8U);
}

TEST_F(ExitTableTest, SbiCallPassesAllArgumentsAndStoresBothResults) {
  run.riscv_sbi.extension_id = 0x4442434E;
  run.riscv_sbi.function_id = 2;
  for (size_t i = 0; i < 6; ++i)
    run.riscv_sbi.args[i] = 10 + i;
  run.riscv_sbi.ret[1] = 0xDEAD;
  io.sbi_answer = SbiRet::fail(SbiError::kDenied);
  EXPECT_EQ(handle(KVM_EXIT_RISCV_SBI), RunOutcome::kContinue);
  EXPECT_EQ(io.last_call.eid, 0x4442434EU);
  EXPECT_EQ(io.last_call.fid, 2U);
  EXPECT_EQ(io.last_call.args, (std::array<uint64_t, 6>{10, 11, 12, 13, 14, 15}));
  EXPECT_EQ(static_cast<long>(run.riscv_sbi.ret[0]), -4);
  EXPECT_EQ(run.riscv_sbi.ret[1], 0U);
}

TEST_F(ExitTableTest, KnownCsrReturnsItsValue) {
  run.riscv_csr.csr_num = 0x015;
  run.riscv_csr.new_value = 7;
  run.riscv_csr.write_mask = 3;
  io.csr_answer = 0x8000'1234;
  EXPECT_EQ(handle(KVM_EXIT_RISCV_CSR), RunOutcome::kContinue);
  EXPECT_EQ(run.riscv_csr.ret_value, 0x8000'1234U);
  EXPECT_EQ(io.last_csr.number, 0x015U);
  EXPECT_EQ(io.last_csr.write_mask, 3U);
  EXPECT_EQ(exit.afterwork, Afterwork::kNone);
}

TEST_F(ExitTableTest, UnknownCsrIsIllegal) {
  EXPECT_EQ(handle(KVM_EXIT_RISCV_CSR), RunOutcome::kContinue);
  EXPECT_EQ(exit.afterwork, Afterwork::kIllegalCsr);
}

TEST_F(ExitTableTest, SystemEventStopsWithItsReason) {
  run.system_event.type = KVM_SYSTEM_EVENT_RESET;
  run.system_event.ndata = 1;
  run.system_event.data[0] = 1;
  EXPECT_EQ(handle(KVM_EXIT_SYSTEM_EVENT), RunOutcome::kStop);
  EXPECT_EQ(io.last_event.type, SystemEventType::kReset);
  EXPECT_EQ(io.last_event.reason, 1U);
}

TEST_F(ExitTableTest, SystemEventWithoutDataHasNoReason) {
  run.system_event.type = 99;
  run.system_event.ndata = 0;
  run.system_event.data[0] = 1;
  handle(KVM_EXIT_SYSTEM_EVENT);
  EXPECT_EQ(io.last_event.type, SystemEventType::kOther);
  EXPECT_EQ(io.last_event.raw_type, 99U);
  EXPECT_EQ(io.last_event.reason, 0U);
}

TEST_F(ExitTableTest, ReasonsThatCannotGoOnAreFaultsWithAName) {
  for (const uint32_t reason : {uint32_t{KVM_EXIT_UNKNOWN}, uint32_t{KVM_EXIT_DEBUG}, uint32_t{KVM_EXIT_FAIL_ENTRY}}) {
    EXPECT_EQ(handle(reason), RunOutcome::kFault);
    EXPECT_FALSE(exit_handler(reason).name.empty());
  }
}

TEST_F(ExitTableTest, ReasonWithoutARowIsAFault) {
  EXPECT_EQ(handle(KVM_EXIT_HLT), RunOutcome::kFault);
  EXPECT_EQ(handle(UINT32_MAX), RunOutcome::kFault);
  EXPECT_EQ(exit_handler(UINT32_MAX).name, "unknown");
}

TEST_F(ExitTableTest, InterruptedGoesBackToTheThread) {
  EXPECT_EQ(handle(KVM_EXIT_INTR), RunOutcome::kInterrupted);
}

TEST(RunErrors, EachThatKvmIsKnownForHasItsCause) {
  for (const int error : {EOPNOTSUPP, EIO, EFAULT, ENOMEM, EEXIST}) {
    EXPECT_EQ(run_error(error).error, error);
    EXPECT_FALSE(run_error(error).cause.empty());
  }
  EXPECT_EQ(run_error(EPERM).cause, "an error KVM does not explain");
}

}  // namespace
}  // namespace rvvmm::exit_table_test

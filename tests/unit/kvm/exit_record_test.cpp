#include "kvm/exit_record.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace rvvmm::exit_record_test {
namespace {

ExitRecord record_of(const kvm_run& run) {
  ExitRecord record;
  fill_exit_record(run, record);
  return record;
}

TEST(ExitRecord, MmioHasTheBytesOfItsWidth) {
  kvm_run run{};
  run.exit_reason = KVM_EXIT_MMIO;
  run.mmio.phys_addr = 0x1000'0005;
  run.mmio.len = 2;
  run.mmio.is_write = 1;
  const uint64_t data = 0xffff'1234;
  std::memcpy(run.mmio.data, &data, sizeof(data));
  ExitRecord record = record_of(run);
  ASSERT_EQ(record.kind, ExitKind::kMmio);
  EXPECT_EQ(record.mmio.at, 0x1000'0005U);
  EXPECT_EQ(record.mmio.value, 0x1234U);
  EXPECT_EQ(record.mmio.width, 2U);
  EXPECT_TRUE(record.mmio.is_write);
  run.mmio.len = 200;  // more than KVM has room for
  record = record_of(run);
  EXPECT_EQ(record.mmio.width, 8U);
  EXPECT_EQ(record.mmio.value, 0xffff'1234U);
}

TEST(ExitRecord, SbiHasCallAndAnswer) {
  kvm_run run{};
  run.exit_reason = KVM_EXIT_RISCV_SBI;
  run.riscv_sbi.extension_id = 0x4442'434e;
  run.riscv_sbi.function_id = 2;
  run.riscv_sbi.args[0] = 0x41;
  run.riscv_sbi.args[5] = 6;
  run.riscv_sbi.ret[0] = static_cast<unsigned long>(-3);
  run.riscv_sbi.ret[1] = 7;
  const ExitRecord record = record_of(run);
  ASSERT_EQ(record.kind, ExitKind::kSbi);
  EXPECT_EQ(record.sbi.eid, 0x4442'434eU);
  EXPECT_EQ(record.sbi.fid, 2U);
  EXPECT_EQ(record.sbi.args, (std::array<uint64_t, 6>{0x41, 0, 0, 0, 0, 6}));
  EXPECT_EQ(record.sbi.error, -3);
  EXPECT_EQ(record.sbi.value, 7U);
}

TEST(ExitRecord, CsrHasBothValues) {
  kvm_run run{};
  run.exit_reason = KVM_EXIT_RISCV_CSR;
  run.riscv_csr.csr_num = 0x15;
  run.riscv_csr.new_value = 1;
  run.riscv_csr.write_mask = 3;
  run.riscv_csr.ret_value = 0x8000'0000;
  const ExitRecord record = record_of(run);
  ASSERT_EQ(record.kind, ExitKind::kCsr);
  EXPECT_EQ(record.csr.number, 0x15U);
  EXPECT_EQ(record.csr.new_value, 1U);
  EXPECT_EQ(record.csr.write_mask, 3U);
  EXPECT_EQ(record.csr.old_value, 0x8000'0000U);
}

TEST(ExitRecord, SystemEventHasItsReasonWhereKvmGivesOne) {
  kvm_run run{};
  run.exit_reason = KVM_EXIT_SYSTEM_EVENT;
  run.system_event.type = KVM_SYSTEM_EVENT_RESET;
  run.system_event.data[0] = 5;
  EXPECT_EQ(record_of(run).system.reason, 0U);
  run.system_event.ndata = 1;
  const ExitRecord record = record_of(run);
  ASSERT_EQ(record.kind, ExitKind::kSystemEvent);
  EXPECT_EQ(record.system.type, uint64_t{KVM_SYSTEM_EVENT_RESET});
  EXPECT_EQ(record.system.reason, 5U);
}

TEST(ExitRecord, TheRestHasItsNumber) {
  kvm_run run{};
  run.exit_reason = KVM_EXIT_DEBUG;
  const ExitRecord record = record_of(run);
  ASSERT_EQ(record.kind, ExitKind::kOther);
  EXPECT_EQ(record.other.reason, uint32_t{KVM_EXIT_DEBUG});
  run.exit_reason = KVM_EXIT_INTR;
  EXPECT_EQ(record_of(run).kind, ExitKind::kInterrupted);
}

}  // namespace
}  // namespace rvvmm::exit_record_test

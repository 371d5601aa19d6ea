#include "kvm/exit_trace.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace rvvmm::exit_trace_test {
namespace {

TEST(ExitTrace, MmioTellsWidthAddressAndValue) {
  kvm_run run{};
  run.exit_reason = KVM_EXIT_MMIO;
  run.mmio.phys_addr = 0x1000'0005;
  run.mmio.len = 2;
  const uint64_t data = 0xffff'1234;
  std::memcpy(run.mmio.data, &data, sizeof(data));
  EXPECT_EQ(describe_exit(run), "mmio read, 2 bytes at 0x10000005: 0x1234");
  run.mmio.is_write = 1;
  run.mmio.len = 200;  // more than KVM has room for
  EXPECT_EQ(describe_exit(run), "mmio write, 8 bytes at 0x10000005: 0xffff1234");
}

TEST(ExitTrace, SbiTellsCallAndAnswer) {
  kvm_run run{};
  run.exit_reason = KVM_EXIT_RISCV_SBI;
  run.riscv_sbi.extension_id = 0x4442'434e;
  run.riscv_sbi.function_id = 2;
  run.riscv_sbi.args[0] = 0x41;
  run.riscv_sbi.ret[0] = static_cast<unsigned long>(-3);
  run.riscv_sbi.ret[1] = 7;
  EXPECT_EQ(describe_exit(run), "sbi dbcn.write_byte(byte=0x41): invalid param, 0x7");
}

TEST(ExitTrace, CsrTellsBothValues) {
  kvm_run run{};
  run.exit_reason = KVM_EXIT_RISCV_CSR;
  run.riscv_csr.csr_num = 0x15;
  run.riscv_csr.new_value = 1;
  run.riscv_csr.write_mask = 3;
  run.riscv_csr.ret_value = 0x8000'0000;
  EXPECT_EQ(describe_exit(run), "csr seed: was 0x80000000, new 0x1 under mask 0x3");
}

TEST(ExitTrace, SystemEventTellsTypeAndReason) {
  kvm_run run{};
  run.exit_reason = KVM_EXIT_SYSTEM_EVENT;
  run.system_event.type = KVM_SYSTEM_EVENT_RESET;
  run.system_event.data[0] = 9;
  EXPECT_EQ(describe_exit(run), "system event reset, reason 0x0");
  run.system_event.ndata = 1;
  EXPECT_EQ(describe_exit(run), "system event reset, reason 0x9");
}

TEST(ExitTrace, OthersTellTheirName) {
  kvm_run run{};
  run.exit_reason = KVM_EXIT_DEBUG;
  EXPECT_EQ(describe_exit(run), "debug");
  run.exit_reason = 9999;
  EXPECT_EQ(describe_exit(run), "unknown");
}

}  // namespace
}  // namespace rvvmm::exit_trace_test

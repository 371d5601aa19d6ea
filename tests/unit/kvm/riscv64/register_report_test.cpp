#include "kvm/riscv64/register_report.hpp"

#include <gtest/gtest.h>

#include "fakes/fake_vcpu.hpp"

namespace rvvmm::register_report_test {
namespace {

constexpr uint64_t kVsInitial = 1UL << 9;
constexpr uint32_t kScalars = 31 + 9;  // x1 to x31, and CSRs
constexpr uint32_t kVectorCsrs = 5;

class RegisterReport : public ::testing::Test {
 protected:
  FakeVcpu hart;
  RegisterFile registers{hart};
};

TEST_F(RegisterReport, HasScalarRegistersByName) {
  hart.at(kA0) = 0x1122334455667788;
  hart.at(HartRegister::kMode) = 1;
  const std::string report = describe_registers(registers);
  EXPECT_NE(report.find("  a0   1122334455667788"), std::string::npos) << report;
  EXPECT_NE(report.find("  mode    0000000000000001\n"), std::string::npos) << report;
  EXPECT_EQ(report.find("vl "), std::string::npos) << report;
  EXPECT_EQ(hart.registers_read, kScalars);
}

TEST_F(RegisterReport, AsksForNoVectorsThatTheGuestHasSwitchedOff) {
  hart.give_vectors(16);
  describe_registers(registers);
  EXPECT_EQ(hart.registers_read, kScalars);
}

TEST_F(RegisterReport, HasVectorCsrsWhereTheGuestHasThemOn) {
  hart.give_vectors(16);
  hart.at(HartRegister::kSstatus) = kVsInitial;
  hart.at(HartRegister::kVtype) = 0xd1;
  const std::string report = describe_registers(registers);
  EXPECT_NE(report.find("  vtype   00000000000000d1\n"), std::string::npos) << report;
  EXPECT_NE(report.find("  vlenb   0000000000000010\n"), std::string::npos) << report;
  EXPECT_EQ(report.find("v31"), std::string::npos) << report;
  EXPECT_EQ(hart.registers_read, kScalars + kVectorCsrs);
}

TEST_F(RegisterReport, HasVectorRegistersThatTheGuestChangedEachReadOnce) {
  hart.give_vectors(16);
  hart.at(HartRegister::kSstatus) = kSstatusVs;
  for (unsigned i = 0; i < 16; ++i)
    hart.at(v(31))[i] = static_cast<std::byte>(i);
  const std::string report = describe_registers(registers);
  EXPECT_NE(report.find("  v0   00000000000000000000000000000000\n"), std::string::npos) << report;
  EXPECT_TRUE(report.ends_with("  v31  000102030405060708090a0b0c0d0e0f\n")) << report;
  EXPECT_EQ(hart.registers_read, kScalars + kVectorCsrs + kVectorRegisters);
  EXPECT_EQ(hart.registers_written, 0U);
}

TEST_F(RegisterReport, CutsLongVectorRegisters) {
  hart.give_vectors(kMaxVlenb);
  hart.at(HartRegister::kSstatus) = kSstatusVs;
  const std::string report = describe_registers(registers);
  EXPECT_NE(report.find("  v31  " + std::string(128, '0') + "...\n"), std::string::npos) << report;
}

TEST_F(RegisterReport, LeavesVectorsOutWhereTheHartHasNone) {
  hart.absent = HartRegister::kVlenb;
  hart.at(HartRegister::kSstatus) = kSstatusVs;
  EXPECT_EQ(describe_registers(registers).find("vl "), std::string::npos);
}

}  // namespace
}  // namespace rvvmm::register_report_test

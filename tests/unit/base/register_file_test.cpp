#include "base/register_file.hpp"

#include <gtest/gtest.h>

#include "fakes/fake_vcpu.hpp"

namespace rvvmm {
namespace {

class RegisterFileTest : public ::testing::Test {
 protected:
  FakeVcpu hart;
  RegisterFile registers{hart};
};

TEST_F(RegisterFileTest, CostsNothingWhenNobodyAsks) {
  EXPECT_TRUE(registers.write_back());
  EXPECT_EQ(hart.registers_read, 0U);
  EXPECT_EQ(hart.registers_written, 0U);
}

TEST_F(RegisterFileTest, ReadsARegisterOnce) {
  hart.at(kA0) = 7;
  EXPECT_EQ(registers.get(kA0), 7U);
  EXPECT_EQ(registers.get(kA0), 7U);
  EXPECT_EQ(hart.registers_read, 1U);
}

TEST_F(RegisterFileTest, WhatIsSetIsReadBackWithoutTheHypervisor) {
  registers.set(kA1, 9);
  EXPECT_EQ(registers.get(kA1), 9U);
  EXPECT_EQ(hart.registers_read, 0U);
  EXPECT_EQ(hart.at(kA1), 0U);
}

TEST_F(RegisterFileTest, WritesBackWhatChangedAndThatOnce) {
  hart.at(kA0) = 7;
  registers.get(kA0);
  registers.set(kA0, 7);
  registers.set(kA1, 9);
  EXPECT_TRUE(registers.write_back());
  EXPECT_TRUE(registers.write_back());
  EXPECT_EQ(hart.registers_written, 1U);
  EXPECT_EQ(hart.at(kA1), 9U);
}

TEST_F(RegisterFileTest, WritesARegisterThatItDoesNotKnow) {
  registers.set(kA0, 0);
  EXPECT_TRUE(registers.write_back());
  EXPECT_EQ(hart.registers_written, 1U);
}

TEST_F(RegisterFileTest, SaysWhichRegisterAHartDoesNotHave) {
  hart.absent = HartRegister::kSiselect;
  EXPECT_EQ(registers.get(HartRegister::kSiselect), std::nullopt);
  EXPECT_EQ(registers.get(HartRegister::kSie), 0U);
}

TEST_F(RegisterFileTest, WritesTheOthersWhereTheHypervisorRefusesOne) {
  hart.absent = kA0;
  registers.set(kA0, 1);
  registers.set(f(31), 2);
  EXPECT_FALSE(registers.write_back());
  EXPECT_EQ(hart.at(f(31)), 2U);
}

}  // namespace
}  // namespace rvvmm

#include "base/register_file.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "fakes/fake_vcpu.hpp"

namespace rvvmm::register_file_test {
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

constexpr size_t kVlenb = 32;

class VectorRegistersTest : public RegisterFileTest {
 protected:
  VectorRegistersTest() { hart.give_vectors(kVlenb); }

  static std::vector<std::byte> all(unsigned value) { return std::vector(kVlenb, static_cast<std::byte>(value)); }
  std::vector<std::byte> held(VectorRegister reg) {
    const auto bytes = registers.get(reg).value();
    return {bytes.begin(), bytes.end()};
  }
};

TEST_F(VectorRegistersTest, AreReadOnceAndTheirSizeOnceForAll) {
  hart.at(v(3)) = all(3);
  hart.at(v(31)) = all(31);
  for (int twice = 0; twice < 2; ++twice) {
    EXPECT_EQ(held(v(3)), all(3));
    EXPECT_EQ(held(v(31)), all(31));
    EXPECT_EQ(registers.get(HartRegister::kVlenb), kVlenb);
  }
  EXPECT_EQ(hart.registers_read, 3U);
}

TEST_F(VectorRegistersTest, WhatIsSetIsReadBackWithoutTheHypervisor) {
  EXPECT_TRUE(registers.set(v(0), all(9)));
  EXPECT_EQ(held(v(0)), all(9));
  EXPECT_EQ(hart.registers_read, 1U) << "vlenb";
  EXPECT_EQ(hart.at(v(0)), all(0));
}

TEST_F(VectorRegistersTest, AreWrittenBackWhereTheyChangedAndThatOnce) {
  hart.at(v(1)) = all(1);
  hart.at(v(2)) = all(2);
  held(v(1));
  held(v(2));
  EXPECT_TRUE(registers.set(v(1), all(1)));
  EXPECT_TRUE(registers.set(v(2), all(7)));
  EXPECT_TRUE(registers.set(v(8), all(0))) << "not known to be 0";
  EXPECT_TRUE(registers.write_back());
  EXPECT_TRUE(registers.write_back());
  EXPECT_EQ(hart.registers_written, 2U);
  EXPECT_EQ(hart.at(v(2)), all(7));
}

TEST_F(VectorRegistersTest, HaveOneSizeWhateverVlenbIsSetTo) {
  EXPECT_FALSE(registers.set(v(0), std::vector<std::byte>(kVlenb - 1)));
  EXPECT_EQ(held(v(0)), all(0));
  registers.set(HartRegister::kVlenb, 2 * kVlenb);
  EXPECT_EQ(registers.get(v(31))->size(), kVlenb);
  EXPECT_FALSE(registers.set(v(0), std::vector<std::byte>(2 * kVlenb)));
}

TEST_F(VectorRegistersTest, AreWrittenWhereTheHypervisorRefusesAnother) {
  registers.set(v(4), all(4));
  registers.set(v(5), all(5));
  hart.at(v(4)).clear();
  EXPECT_FALSE(registers.write_back());
  EXPECT_EQ(hart.at(v(5)), all(5));
}

TEST_F(VectorRegistersTest, AreAsLongAsAVectorRegisterCanBeAndNoLonger) {
  hart.give_vectors(kMaxVlenb);
  EXPECT_EQ(registers.get(v(31))->size(), kMaxVlenb);
  for (const uint64_t vlenb : {uint64_t{0}, uint64_t{24}, uint64_t{2 * kMaxVlenb}, UINT64_MAX}) {
    hart.at(HartRegister::kVlenb) = vlenb;
    RegisterFile others{hart};
    EXPECT_FALSE(others.get(v(0)).has_value()) << vlenb;
    EXPECT_FALSE(others.set(v(0), {})) << vlenb;
  }
}

TEST_F(VectorRegistersTest, AreNoneWhereTheHartHasNone) {
  hart.absent = HartRegister::kVlenb;
  EXPECT_FALSE(registers.get(v(0)).has_value());
  EXPECT_FALSE(registers.set(v(0), all(1)));
  EXPECT_TRUE(registers.write_back());
  EXPECT_EQ(hart.registers_written, 0U);
}

TEST_F(VectorRegistersTest, AreNoneWhereTheHypervisorRefusesThem) {
  hart.at(v(6)).clear();
  EXPECT_FALSE(registers.get(v(6)).has_value());
  EXPECT_TRUE(registers.get(v(7)).has_value());
}

}  // namespace
}  // namespace rvvmm::register_file_test

#include "kvm/guest_access.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

#include "fakes/fake_vcpu.hpp"
#include "fakes/idle_io.hpp"

namespace rvvmm::guest_access_test {
namespace {

struct Case {
  uint32_t instruction;
  const char* text;
  uint32_t base;
  int64_t offset;
  bool is_write;
};

// As GNU as has them.
constexpr std::array kCases = std::to_array<Case>({
    {0x0019a503, "lw a0, 1(s3)", 19, 1, false},
    {0xff813783, "ld a5, -8(sp)", 2, -8, false},
    {0x7ff04f83, "lbu t6, 2047(zero)", 0, 2047, false},
    {0xff49ae23, "sw s4, -4(s3)", 19, -4, true},
    {0x00113423, "sd ra, 8(sp)", 2, 8, true},
    {0x0009b507, "fld f10, 0(s3)", 19, 0, false},
    {0x00452087, "flw f1, 4(a0)", 10, 4, false},
    {0xfe85b827, "fsd f8, -16(a1)", 11, -16, true},
    {0x0149a52f, "amoadd.w a0, s4, (s3)", 19, 0, true},
    {0x1009a52f, "lr.w a0, (s3)", 19, 0, false},
    {0x140532af, "lr.d t0, (a0)", 10, 0, false},
    {0x186532af, "sc.d t0, t1, (a0)", 10, 0, true},
    {0xe0b6352f, "amomaxu.d a0, a1, (a2)", 12, 0, true},
    {0x02050007, "a vector load of (a0)", 10, 0, false},
    {0x0209f427, "a vector store of (s3)", 19, 0, true},
    // Compressed.
    {0x41c8, "lw a0, 4(a1)", 11, 4, false},
    {0x6588, "ld a0, 8(a1)", 11, 8, false},
    {0xc1a8, "sw a0, 64(a1)", 11, 64, true},
    {0xe1e8, "sd a0, 192(a1)", 11, 192, true},
    {0x3de8, "fld f10, 248(a1)", 11, 248, false},
    {0xa588, "fsd f10, 8(a1)", 11, 8, true},
    {0x557e, "lw a0, 252(sp)", 2, 252, false},
    {0x757e, "ld a0, 504(sp)", 2, 504, false},
    {0x2522, "fld f10, 8(sp)", 2, 8, false},
    {0xdfaa, "sw a0, 252(sp)", 2, 252, true},
    {0xffaa, "sd a0, 504(sp)", 2, 504, true},
    {0xa42a, "fsd f10, 8(sp)", 2, 8, true},
    {0x8548, "lh a0, 0(a0)", 10, 0, false},
    {0x8508, "lhu a0, 0(a0)", 10, 0, false},
    {0x8168, "lbu a0, 3(a0)", 10, 3, false},
    {0x8968, "sb a0, 3(a0)", 10, 3, true},
    {0x8d28, "sh a0, 2(a0)", 10, 2, true},
});

TEST(DecodeMemoryInstruction, KnowsLoadsStoresAndAtomics) {
  for (const Case& expected : kCases) {
    // Of a compressed instruction the upper half may be anything.
    const uint32_t noise = (expected.instruction & 3) == 3 ? 0 : 0xABCD'0000;
    const auto decoded = decode_memory_instruction(expected.instruction | noise);
    ASSERT_TRUE(decoded) << expected.text;
    EXPECT_EQ(decoded->text, expected.text);
    EXPECT_EQ(decoded->base, expected.base) << expected.text;
    EXPECT_EQ(decoded->offset, expected.offset) << expected.text;
    EXPECT_EQ(decoded->is_write, expected.is_write) << expected.text;
  }
}

TEST(DecodeMemoryInstruction, OthersTouchNoMemory) {
  // addi, jalr, c.mv, c.addi, ecall, a load and an AMO of widths that there are not, all zeroes
  for (const uint32_t instruction :
       {0x00150513U, 0x000500e7U, 0x852eU, 0x0505U, 0x00000073U, 0x0005'7283U, 0x0149'f52fU, 0x0000'0000U}) {
    EXPECT_EQ(decode_memory_instruction(instruction), std::nullopt) << std::hex << instruction;
  }
}

// Whatever is in memory at pc: no crash, and no offset beyond what an instruction can have.
TEST(DecodeMemoryInstruction, TakesAnyWord) {
  uint32_t word = 1;
  for (int i = 0; i < 200'000; ++i) {
    word = word * 1664525 + 1013904223;
    const auto decoded = decode_memory_instruction(word ^ word >> 16);
    if (!decoded) continue;
    EXPECT_LT(decoded->base, 32U);
    EXPECT_GE(decoded->offset, -2048);
    EXPECT_LE(decoded->offset, 2047);
  }
}

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kPage = 4096;

/// A UART at 0x10000000, and nothing else.
class UartIo final : public IdleIo {
 public:
  std::string what_is_at(Gpa at, bool is_write) const override {
    if (at.value >> 8 != 0x10'0000) return "";
    return is_write ? "uart.thr" : "uart.rbr";
  }
};

class DescribeAccess : public ::testing::Test {
 protected:
  DescribeAccess() { vcpu_.at(HartRegister::kPc) = kRam.value; }

  template <typename T>
  void put(uint64_t offset, T value) {
    std::memcpy(ram_.data() + offset, &value, sizeof value);
  }
  std::string text() {
    RegisterFile registers{vcpu_};
    return describe_access(registers, GuestCode{kRam, ram_}, UartIo{});
  }

  std::vector<std::byte> ram_ = std::vector<std::byte>(16 * kPage);
  FakeVcpu vcpu_;
};

TEST_F(DescribeAccess, NamesInstructionAddressAndDevice) {
  put<uint32_t>(0, 0x0019a503);
  vcpu_.at(x(19)) = 0x1000'0000;
  EXPECT_EQ(text(), "lw a0, 1(s3) at 0x10000001, which is uart.rbr");
  put<uint32_t>(0, 0x0149a52f);
  EXPECT_EQ(text(), "amoadd.w a0, s4, (s3) at 0x10000000, which is uart.thr");
}

TEST_F(DescribeAccess, WhereNothingIsAPointerWentAstray) {
  put<uint32_t>(0, 0xff813783);
  vcpu_.at(x(2)) = 5;
  EXPECT_EQ(text(), "ld a5, -8(sp) at 0xfffffffffffffffd, where nothing is: most likely a stray pointer");
}

// x0 is no register that KVM has.
TEST_F(DescribeAccess, AnAddressFromZeroIsTheOffsetAlone) {
  put<uint32_t>(0, 0x7ff04f83);
  EXPECT_EQ(text(), "lbu t6, 2047(zero) at 0x7ff, where nothing is: most likely a stray pointer");
}

TEST_F(DescribeAccess, AJumpOutOfRamIsOne) {
  vcpu_.at(HartRegister::kPc) = 0x4000;
  EXPECT_EQ(text(), "a jump to 0x4000, where nothing is: most likely a stray pointer");
  vcpu_.at(HartRegister::kPc) = 0x1000'0000;
  EXPECT_EQ(text(), "a jump to 0x10000000, which is uart.rbr");
}

TEST_F(DescribeAccess, WhatTouchesNoMemoryIsNothingToTell) {
  put<uint32_t>(0, 0x00000073);
  EXPECT_EQ(text(), "");
}

// Sv39: the first GiB is mapped to itself, RAM's GiB too, and the fourth one to the first.
TEST_F(DescribeAccess, WithPagingBothAddressesAreNamed) {
  constexpr uint64_t kLeaf = 0xCF;
  put<uint64_t>(kPage + 2 * 8, (kRam.value >> 2) | kLeaf);
  put<uint64_t>(kPage + 3 * 8, kLeaf);
  vcpu_.at(HartRegister::kSatp) = 8UL << 60 | (kRam.value / kPage + 1);
  put<uint32_t>(0, 0x0019a503);
  vcpu_.at(x(19)) = 0xD000'0000;
  EXPECT_EQ(text(), "lw a0, 1(s3) at 0xd0000001 (physical 0x10000001), which is uart.rbr");
  vcpu_.at(x(19)) = 0;
  EXPECT_EQ(text(), "lw a0, 1(s3) at 0x1, which the guest's page tables do not map");
}

}  // namespace
}  // namespace rvvmm::guest_access_test

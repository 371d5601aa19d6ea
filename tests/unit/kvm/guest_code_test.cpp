#include "kvm/guest_code.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <vector>

namespace rvvmm::guest_code_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kPage = 4096;
constexpr uint64_t kSv39 = 8UL << 60;
constexpr uint64_t kValid = 1;
constexpr uint64_t kReadExecute = kValid | 2 | 8;

struct Decoded {
  uint32_t instruction;
  uint32_t length, rd, bits;
};

TEST(DecodeLoad, KnowsEverySignedLoadAndNothingElse) {
  constexpr std::array kCases = std::to_array<Decoded>({
      {0x0005'0283, 4, 5, 8},    // lb t0, 0(a0)
      {0x0005'1283, 4, 5, 16},   // lh t0, 0(a0)
      {0x0005'2F83, 4, 31, 32},  // lw t6, 0(a0)
      {0x0005'3283, 4, 0, 0},    // ld
      {0x0005'4283, 4, 0, 0},    // lbu
      {0x0005'5283, 4, 0, 0},    // lhu
      {0x0005'6283, 4, 0, 0},    // lwu
      {0x0055'2023, 4, 0, 0},    // sw
      {0x4108, 2, 10, 32},       // c.lw a0, 0(a0)
      {0x4502, 2, 10, 32},       // c.lwsp a0, 0(sp)
      {0x6108, 2, 0, 0},         // c.ld
      {0x8548, 2, 10, 16},       // c.lh a0, 0(a0)
      {0x8508, 2, 0, 0},         // c.lhu a0, 0(a0)
  });
  for (const Decoded& expected : kCases) {
    const LoadInstruction load = decode_load(expected.instruction);
    EXPECT_EQ(load.length, expected.length) << std::hex << expected.instruction;
    EXPECT_EQ(load.signed_width_bits, expected.bits) << std::hex << expected.instruction;
    EXPECT_EQ(expected.bits != 0 ? load.rd : expected.rd, expected.rd) << std::hex << expected.instruction;
  }
}

class GuestCodeTest : public ::testing::Test {
 protected:
  template <typename T>
  void put(uint64_t offset, T value) {
    std::memcpy(ram.data() + offset, &value, sizeof(value));
  }
  static uint64_t pte(uint64_t page, uint64_t flags) { return ((kRam.value / kPage + page) << 10) | flags; }
  static uint64_t satp_of(uint64_t page) { return kSv39 | (kRam.value / kPage + page); }

  std::vector<std::byte> ram = std::vector<std::byte>(16 * kPage);
  GuestCode code{kRam, ram};
};

TEST_F(GuestCodeTest, FetchesPhysicallyWithoutPaging) {
  put<uint32_t>(8, 0x0005'2283);
  EXPECT_EQ(code.fetch(kRam.value + 8, 0), 0x0005'2283U);
}

TEST_F(GuestCodeTest, PcOutsideRamIsNothing) {
  EXPECT_EQ(code.fetch(kRam.value - 2, 0), std::nullopt);
  EXPECT_EQ(code.fetch(kRam.value + ram.size(), 0), std::nullopt);
  EXPECT_EQ(code.fetch(UINT64_MAX - 1, 0), std::nullopt);
}

TEST_F(GuestCodeTest, LongInstructionCutByTheEndOfRamIsNothing) {
  put<uint16_t>(ram.size() - 2, 0x2283);
  EXPECT_EQ(code.fetch(kRam.value + ram.size() - 2, 0), std::nullopt);
}

TEST_F(GuestCodeTest, WalksThreeLevelsToAPage) {
  put<uint64_t>(0, pte(1, kValid));
  put<uint64_t>(kPage, pte(2, kValid));
  put<uint64_t>(2 * kPage + uint64_t{5} * 8, pte(7, kReadExecute));
  put<uint32_t>(7 * kPage + 0x10, 0x0005'1283);
  EXPECT_EQ(code.fetch(5 * kPage + 0x10, satp_of(0)), 0x0005'1283U);
}

TEST_F(GuestCodeTest, LongInstructionMayCrossIntoAPageElsewhere) {
  put<uint64_t>(0, pte(1, kValid));
  put<uint64_t>(kPage, pte(2, kValid));
  put<uint64_t>(2 * kPage, pte(7, kReadExecute));
  put<uint64_t>(2 * kPage + 8, pte(3, kReadExecute));
  put<uint16_t>(8 * kPage - 2, 0x2283);
  put<uint16_t>(3 * kPage, 0x0005);
  EXPECT_EQ(code.fetch(kPage - 2, satp_of(0)), 0x0005'2283U);
}

TEST_F(GuestCodeTest, FollowsASuperpage) {
  // A gigapage that maps virtual 0 to RAM's own gigabyte.
  put<uint64_t>(0, ((kRam.value / kPage) << 10) | kReadExecute);
  put<uint16_t>(4 * kPage, 0x4108);
  EXPECT_EQ(code.fetch(4 * kPage, satp_of(0)), 0x4108U);
}

TEST_F(GuestCodeTest, InvalidEntryIsNothing) {
  EXPECT_EQ(code.fetch(0x1000, satp_of(0)), std::nullopt);
}

TEST_F(GuestCodeTest, TableThatPointsToItselfEnds) {
  put<uint64_t>(0, pte(0, kValid));
  EXPECT_EQ(code.fetch(0, satp_of(0)), std::nullopt);
}

TEST_F(GuestCodeTest, TableOutsideRamIsNothing) {
  EXPECT_EQ(code.fetch(0, kSv39 | ((1UL << 44) - 1)), std::nullopt);
}

TEST_F(GuestCodeTest, ReservedModeIsNothing) {
  EXPECT_EQ(code.fetch(kRam.value, 5UL << 60), std::nullopt);
}

}  // namespace
}  // namespace rvvmm::guest_code_test

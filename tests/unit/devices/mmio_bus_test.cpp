#include "devices/mmio_bus.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "base/error.hpp"

namespace rvvmm::mmio_bus_test {
namespace {

// Answers loads with its own number and remembers the last store.
class Box final : public Device {
 public:
  explicit Box(uint8_t number) : number_(number) {}
  std::string_view name() const noexcept override { return "box"; }
  IoStatus read(uint64_t offset, std::span<std::byte> out) noexcept override {
    last_offset = offset;
    std::ranges::fill(out, std::byte{number_});
    return answer;
  }
  IoStatus write(uint64_t offset, std::span<const std::byte> in) noexcept override {
    last_offset = offset;
    last_width = in.size();
    return answer;
  }
  void describe(FdtBuilder&, const FdtSlot&) const override {}

  IoStatus answer = IoStatus::kOk;
  uint64_t last_offset = UINT64_MAX;
  size_t last_width = 0;

 private:
  uint8_t number_;
};

uint32_t load(MmioBus& bus, uint64_t at) {
  std::array<std::byte, 4> out{};
  bus.read(Gpa{at}, out);
  return std::to_integer<uint32_t>(out[0]) | std::to_integer<uint32_t>(out[3]) << 24;
}

constexpr uint32_t kOnes = 0xFF00'00FF;

class MmioBusTest : public testing::Test {
 protected:
  MmioBusTest() {
    // Not in the order of addresses.
    bus_.attach({.base = Gpa{0x3000}, .size = 0x100}, c_);
    bus_.attach({.base = Gpa{0x1000}, .size = 0x100}, a_);
    bus_.attach({.base = Gpa{0x1100}, .size = 0x100}, b_);
    bus_.freeze();
  }
  uint64_t misses() { return bus_.misses() - misses_before_; }
  uint64_t refusals() { return bus_.refusals() - refusals_before_; }

  Box a_{1}, b_{2}, c_{3};
  MmioBus bus_;

 private:
  uint64_t misses_before_ = bus_.misses();  // counted for the process
  uint64_t refusals_before_ = bus_.refusals();
};

TEST_F(MmioBusTest, DevicesGetOffsetsInTheirOwnWindow) {
  EXPECT_EQ(load(bus_, 0x1000), 0x0100'0001U);
  EXPECT_EQ(load(bus_, 0x1104), 0x0200'0002U);
  EXPECT_EQ(b_.last_offset, 4U);
  EXPECT_EQ(load(bus_, 0x30FC), 0x0300'0003U);
  EXPECT_EQ(c_.last_offset, 0xFCU);
  EXPECT_EQ(misses(), 0U);
}

TEST_F(MmioBusTest, AStoreReachesItsDeviceWithItsWidth) {
  const std::array<std::byte, 8> in{};
  bus_.write(Gpa{0x1010}, in);
  EXPECT_EQ(a_.last_offset, 0x10U);
  EXPECT_EQ(a_.last_width, 8U);
}

TEST_F(MmioBusTest, AnAccessOutsideAllWindowsReadsAllOnesAndIsCounted) {
  EXPECT_EQ(load(bus_, 0x0FFC), kOnes);
  EXPECT_EQ(load(bus_, 0x1200), kOnes);
  EXPECT_EQ(load(bus_, 0x3100), kOnes);
  EXPECT_EQ(load(bus_, 0), kOnes);
  EXPECT_EQ(load(bus_, UINT64_MAX - 3), kOnes);
  EXPECT_EQ(misses(), 5U);
}

TEST_F(MmioBusTest, AccessStraddlingTheEndIsAMiss) {
  EXPECT_EQ(load(bus_, 0x30FE), kOnes);
  EXPECT_EQ(c_.last_offset, UINT64_MAX);
  EXPECT_EQ(misses(), 1U);
}

TEST_F(MmioBusTest, AccessStraddlingTwoWindowsIsAMiss) {
  EXPECT_EQ(load(bus_, 0x10FE), kOnes);
  const std::array<std::byte, 4> in{};
  bus_.write(Gpa{0x10FE}, in);
  EXPECT_EQ(a_.last_offset, UINT64_MAX);
  EXPECT_EQ(b_.last_offset, UINT64_MAX);
  EXPECT_EQ(misses(), 2U);
}

TEST_F(MmioBusTest, AnAccessThatWrapsTheAddressSpaceIsAMiss) {
  std::array<std::byte, 8> out{};
  bus_.read(Gpa{UINT64_MAX}, out);
  EXPECT_THAT(out, testing::Each(std::byte{0xFF}));
  EXPECT_EQ(misses(), 1U);
}

TEST_F(MmioBusTest, ARefusedLoadReadsAllOnesWhateverTheDeviceLeft) {
  a_.answer = IoStatus::kBadWidth;
  EXPECT_EQ(load(bus_, 0x1000), kOnes);
  a_.answer = IoStatus::kNoRegister;
  EXPECT_EQ(load(bus_, 0x1000), kOnes);
  EXPECT_EQ(refusals(), 2U);
  EXPECT_EQ(misses(), 0U);
}

TEST(MmioBus, WithoutDevicesEverythingIsAMiss) {
  MmioBus bus;
  bus.freeze();
  EXPECT_EQ(load(bus, 0x1000), kOnes);
}

TEST(MmioBus, AWindowMayEndAtTheTopOfTheAddressSpace) {
  Box box{7};
  MmioBus bus;
  bus.attach({.base = Gpa{UINT64_MAX - 0xFF}, .size = 0x100}, box);
  bus.freeze();
  EXPECT_EQ(load(bus, UINT64_MAX - 3), 0x0700'0007U);
}

std::string refusal(MmioBus& bus, GpaRange window, Device& device) {
  try {
    bus.attach(window, device);
  } catch (const SetupError& problem) {
    return problem.what();
  }
  return "";
}

TEST(MmioBus, RefusesWindowsThatOverlapAndNamesBoth) {
  Box box{1};
  MmioBus bus;
  bus.attach({.base = Gpa{0x1000}, .size = 0x100}, box);
  EXPECT_EQ(refusal(bus, {.base = Gpa{0x10FF}, .size = 1}, box),
            "device box at 0x10ff, 0x1 bytes: overlaps box at 0x1000");
  EXPECT_NE(refusal(bus, {.base = Gpa{0xFFF}, .size = 2}, box), "");
  EXPECT_NE(refusal(bus, {.base = Gpa{0}, .size = 0x10000}, box), "");
  EXPECT_EQ(refusal(bus, {.base = Gpa{0x1100}, .size = 1}, box), "");
  EXPECT_EQ(refusal(bus, {.base = Gpa{0xFFF}, .size = 1}, box), "");
}

TEST(MmioBus, RefusesAnEmptyWindow) {
  Box box{1};
  MmioBus bus;
  EXPECT_NE(refusal(bus, {.base = Gpa{0x1000}, .size = 0}, box), "");
}

TEST(MmioBus, RefusesAWindowThatWraps) {
  Box box{1};
  MmioBus bus;
  EXPECT_NE(refusal(bus, {.base = Gpa{UINT64_MAX}, .size = 2}, box), "");
}

TEST(MmioBus, RefusesDevicesOnceFrozen) {
  Box box{1};
  MmioBus bus;
  bus.freeze();
  EXPECT_NE(refusal(bus, {.base = Gpa{0x1000}, .size = 0x100}, box), "");
}

}  // namespace
}  // namespace rvvmm::mmio_bus_test

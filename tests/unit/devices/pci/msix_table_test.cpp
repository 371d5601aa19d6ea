#include "devices/pci/msix_table.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "fakes/fake_irq.hpp"

namespace rvvmm::msix_table_test {
namespace {

constexpr uint16_t kVectors = 65;  // more than one word of pending bits

class MsixTableTest : public ::testing::Test {
 protected:
  template <typename T>
  T load(uint64_t offset) const {
    std::array<std::byte, sizeof(T)> raw{};
    EXPECT_EQ(table.read_table(offset, raw), IoStatus::kOk);
    T value{};
    std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }
  template <typename T>
  void store(uint64_t offset, T value) {
    std::array<std::byte, sizeof(T)> raw{};
    std::memcpy(raw.data(), &value, sizeof(T));
    EXPECT_EQ(table.write_table(offset, raw), IoStatus::kOk);
  }
  bool pending(uint16_t vector) const {
    std::array<std::byte, 4> raw{};
    EXPECT_EQ(table.read_pending(vector / 32 * 4, raw), IoStatus::kOk);
    uint32_t word = 0;
    std::memcpy(&word, raw.data(), sizeof word);
    return (word >> vector % 32 & 1) != 0;
  }
  void set_up(uint16_t vector, bool masked) {
    store(uint64_t{vector} * 16, uint32_t{0x2800'0000} + vector);
    store(uint64_t{vector} * 16 + 4, uint32_t{0x9});
    store(uint64_t{vector} * 16 + 8, uint32_t{0x100} + vector);
    store(uint64_t{vector} * 16 + 12, uint32_t{masked});
  }
  static MsiMessage message(uint16_t vector) {
    return {.address = uint64_t{0x9'2800'0000} + vector, .data = uint32_t{0x100} + vector};
  }

  FakeMsiSink sink;
  MsixTable table{kVectors, sink};
};

TEST_F(MsixTableTest, EveryVectorIsMaskedAtFirst) {
  EXPECT_EQ(load<uint32_t>(12), 1U);
  EXPECT_EQ(load<uint32_t>(64 * 16 + 12), 1U);
  EXPECT_EQ(load<uint32_t>(64 * 16 + 8), 0U);
}

TEST_F(MsixTableTest, SendsWhatTheGuestWrote) {
  table.set_control(true, false);
  set_up(0, false);
  set_up(64, false);
  table.signal(64);
  table.signal(0);
  EXPECT_EQ(sink.messages, (std::vector{message(64), message(0)}));
}

TEST_F(MsixTableTest, SendsNothingWhileItIsOff) {
  set_up(0, false);
  table.signal(0);
  EXPECT_FALSE(pending(0));
  table.set_control(true, false);
  EXPECT_TRUE(sink.messages.empty());
}

TEST_F(MsixTableTest, TellsWhatItWouldSend) {
  set_up(0, false);
  set_up(64, true);
  EXPECT_EQ(table.message(0), std::nullopt);  // it is off
  table.set_control(true, false);
  EXPECT_EQ(table.message(0), message(0));
  EXPECT_EQ(table.message(64), std::nullopt);
  EXPECT_EQ(table.message(kVectors), std::nullopt);
  EXPECT_EQ(table.message(0xFFFF), std::nullopt);
  set_up(64, false);
  EXPECT_EQ(table.message(64), message(64));
  table.set_control(true, true);
  EXPECT_EQ(table.message(0), std::nullopt);
  EXPECT_TRUE(sink.messages.empty());
}

TEST_F(MsixTableTest, AMaskedVectorIsPendingAndFiresOnceWhenUnmasked) {
  table.set_control(true, false);
  set_up(64, true);
  table.signal(64);
  table.signal(64);
  EXPECT_TRUE(pending(64));
  EXPECT_FALSE(pending(63));
  EXPECT_TRUE(sink.messages.empty());
  store(64 * 16 + 12, uint32_t{0});
  EXPECT_FALSE(pending(64));
  EXPECT_EQ(sink.messages, std::vector{message(64)});
  store(64 * 16 + 12, uint32_t{0});
  EXPECT_EQ(sink.messages.size(), 1U);
}

TEST_F(MsixTableTest, TheFunctionMaskHoldsBackAllThatIsNotMaskedItself) {
  table.set_control(true, true);
  set_up(0, false);
  set_up(1, true);
  set_up(64, false);
  for (const uint16_t vector : std::to_array<uint16_t>({0, 1, 64}))
    table.signal(vector);
  EXPECT_TRUE(sink.messages.empty());
  table.set_control(true, false);
  EXPECT_EQ(sink.messages, (std::vector{message(0), message(64)}));
  EXPECT_TRUE(pending(1));
}

TEST_F(MsixTableTest, UnmaskingAVectorUnderTheFunctionMaskSendsNothing) {
  table.set_control(true, true);
  set_up(0, true);
  table.signal(0);
  store(12, uint32_t{0});
  EXPECT_TRUE(sink.messages.empty());
  EXPECT_TRUE(pending(0));
}

TEST_F(MsixTableTest, SwitchingOffDropsWhatIsPending) {
  table.set_control(true, true);
  set_up(0, false);
  table.signal(0);
  table.set_control(false, false);
  EXPECT_FALSE(pending(0));
  table.set_control(true, false);
  EXPECT_TRUE(sink.messages.empty());
}

TEST_F(MsixTableTest, AVectorThatThereIsNotIsNothing) {
  table.set_control(true, false);
  table.signal(kVectors);
  table.signal(UINT16_MAX);
  EXPECT_TRUE(sink.messages.empty());
}

TEST_F(MsixTableTest, EightBytesAreTwoWords) {
  store(16, uint64_t{0x0000'0009'2800'0001});
  EXPECT_EQ(load<uint32_t>(16), 0x2800'0001U);
  EXPECT_EQ(load<uint32_t>(20), 9U);
  EXPECT_EQ(load<uint64_t>(16), 0x0000'0009'2800'0001U);
}

TEST_F(MsixTableTest, EightBytesThatUnmaskSendTheirOwnData) {
  table.set_control(true, false);
  set_up(1, true);
  table.signal(1);
  store(24, uint64_t{0x777});
  ASSERT_EQ(sink.messages.size(), 1U);
  EXPECT_EQ(sink.messages[0].data, 0x777U);
}

TEST_F(MsixTableTest, VectorControlHasOneBit) {
  store(12, UINT32_MAX);
  EXPECT_EQ(load<uint32_t>(12), 1U);
  store(12, uint32_t{0xFFFF'FFFE});
  EXPECT_EQ(load<uint32_t>(12), 0U);
}

TEST_F(MsixTableTest, RefusesOtherWidthsAndPlaces) {
  std::array<std::byte, 8> raw{};
  const auto bytes = std::span{raw};
  for (const size_t width : {1UL, 2UL})
    EXPECT_EQ(table.read_table(0, bytes.first(width)), IoStatus::kBadWidth);
  EXPECT_EQ(table.write_table(2, bytes.first(4)), IoStatus::kBadWidth);
  EXPECT_EQ(table.write_table(4, bytes), IoStatus::kBadWidth);
  EXPECT_EQ(table.read_table(kVectors * 16 - 4, bytes.first(4)), IoStatus::kOk);
  EXPECT_EQ(table.read_table(kVectors * 16, bytes.first(4)), IoStatus::kNoRegister);
  EXPECT_EQ(table.write_table(kVectors * 16, bytes), IoStatus::kNoRegister);
  EXPECT_EQ(table.read_pending(8, bytes), IoStatus::kOk);
  EXPECT_EQ(table.read_pending(16, bytes), IoStatus::kNoRegister);
  EXPECT_EQ(table.read_pending(UINT64_MAX - 7, bytes), IoStatus::kNoRegister);
}

TEST_F(MsixTableTest, StateGoesRound) {
  table.set_control(true, true);
  set_up(0, false);
  set_up(64, true);
  table.signal(64);
  const MsixState state = table.state();
  MsixTable other{kVectors, sink};
  other.restore(state);
  EXPECT_EQ(other.state(), state);
  EXPECT_TRUE(sink.messages.empty());
  other.set_control(true, false);
  other.signal(0);
  EXPECT_EQ(sink.messages, std::vector{message(0)});
}

TEST_F(MsixTableTest, RestoresNothingThatATableCannotHold) {
  table.restore({.enabled = true,
                 .masked = true,
                 .entries = std::vector<uint32_t>(1000, UINT32_MAX),
                 .pending = std::vector<uint64_t>(100, UINT64_MAX)});
  EXPECT_EQ(load<uint32_t>(64 * 16 + 12), 1U);
  std::array<std::byte, 8> raw{};
  EXPECT_EQ(table.read_pending(8, raw), IoStatus::kOk);
  EXPECT_EQ(raw[0], std::byte{1});
  EXPECT_EQ(raw[1], std::byte{0});
}

}  // namespace
}  // namespace rvvmm::msix_table_test

#include "devices/pci/pci_function.hpp"

#include <gtest/gtest.h>

#include "fakes/fake_irq.hpp"
#include "fakes/fake_pci_function.hpp"
#include "unit/devices/pci/pci_access.hpp"

namespace rvvmm::pci_function_test {
namespace {

constexpr PciWindows kWindows{.low = {.base = Gpa{0x4000'0000}, .size = 1_GiB},
                              .high = {.base = Gpa{0x100'0000'0000}, .size = 64_GiB}};
constexpr uint64_t kCommand = 0x04;
constexpr uint64_t kStatus = 0x06;
constexpr uint64_t kBar0 = 0x10;
constexpr uint64_t kBar2 = 0x18;
constexpr uint16_t kMemory = 2;
constexpr uint16_t kInterruptDisable = 1U << 10;
constexpr uint8_t kMsix = 0x40;

class PciFunctionTest : public ::testing::Test {
 protected:
  template <typename T>
  T get(uint64_t offset) {
    return load_config<T>(function, offset);
  }
  template <typename T>
  void put(uint64_t offset, T value) {
    store_config(function, offset, value);
  }
  uint64_t place(uint8_t bar) const { return function.bar_place(bar).load(); }
  void set_msix(uint16_t control) { put<uint16_t>(kMsix + 2, control); }

  FakeIrqLine line;
  FakeMsiSink sink;
  FakePciFunction function{{.windows = kWindows, .intx = line, .msi = &sink}};
};

TEST_F(PciFunctionTest, SaysWhatItIs) {
  EXPECT_EQ(get<uint32_t>(0x00), 0x5678'1234U);
  EXPECT_EQ(get<uint32_t>(0x08), 0xBCDE'F09AU);
  EXPECT_EQ(get<uint8_t>(0x0E), 0U);
  EXPECT_EQ(get<uint32_t>(0x2C), 0x8765'4321U);
  EXPECT_EQ(get<uint32_t>(0x30), 0U);
  EXPECT_EQ(get<uint8_t>(0x3D), 1U);
  EXPECT_EQ(get<uint8_t>(0x0B), 0xBCU);
}

TEST_F(PciFunctionTest, WhatItIsCannotBeWritten) {
  const uint32_t command = get<uint32_t>(kCommand);
  for (uint64_t offset = 0; offset < 0x100; offset += 4) {
    if (offset >= kBar0 && offset < 0x28) continue;
    if (offset == kCommand) continue;
    put<uint32_t>(offset, 0);
    put<uint32_t>(offset, UINT32_MAX);
  }
  EXPECT_EQ(get<uint32_t>(kCommand), command);
  EXPECT_EQ(get<uint32_t>(0x00), 0x5678'1234U);
  EXPECT_EQ(get<uint32_t>(0x08), 0xBCDE'F09AU);
  EXPECT_EQ(get<uint32_t>(0x0C), 0x0000'00FFU);
  EXPECT_EQ(get<uint32_t>(0x2C), 0x8765'4321U);
  EXPECT_EQ(get<uint32_t>(0x30), 0U);
  EXPECT_EQ(get<uint32_t>(0x34), kMsix);
  EXPECT_EQ(get<uint32_t>(0x3C), 0x0000'01FFU);
  EXPECT_EQ(get<uint32_t>(kMsix + 4), FakePciFunction::kTable | 2);
  EXPECT_EQ(get<uint32_t>(0xFC), 0U);
}

TEST_F(PciFunctionTest, CommandKeepsWhatItHas) {
  put<uint16_t>(kCommand, 0xFFFF);
  EXPECT_EQ(get<uint16_t>(kCommand), 0x0406U);
  put<uint16_t>(kCommand, 0);
  EXPECT_EQ(get<uint16_t>(kCommand), 0U);
}

TEST_F(PciFunctionTest, BehindItsContentConfigurationSpaceIsZero) {
  put<uint32_t>(0x100, UINT32_MAX);
  EXPECT_EQ(get<uint32_t>(0x100), 0U);
  EXPECT_EQ(get<uint32_t>(0xFFC), 0U);
}

TEST_F(PciFunctionTest, CapabilitiesAreAList) {
  EXPECT_EQ(get<uint16_t>(kStatus) & 0x10, 0x10);
  EXPECT_EQ(get<uint8_t>(0x34), kMsix);
  EXPECT_EQ(get<uint16_t>(kMsix), 0x11U | unsigned{function.capability} << 8);
  EXPECT_EQ(get<uint16_t>(kMsix + 2), FakePciFunction::kVectors - 1);
  EXPECT_EQ(get<uint32_t>(kMsix + 8), FakePciFunction::kPending | 2);
  EXPECT_EQ(get<uint16_t>(function.capability), 0x09U);
  EXPECT_EQ(get<uint32_t>(function.capability) >> 16, 0x2211U);
}

TEST_F(PciFunctionTest, OnlyWritableBitsOfACapabilityChange) {
  put<uint16_t>(function.capability + 2, 0);
  put<uint16_t>(function.capability + 4, 0);
  EXPECT_EQ(get<uint32_t>(function.capability) >> 16, 0x0011U);
  EXPECT_EQ(get<uint16_t>(function.capability + 4), 0x4430U);
}

TEST_F(PciFunctionTest, BarsTellTheirSizes) {
  for (uint64_t at = kBar0; at < 0x28; at += 4)
    put<uint32_t>(at, UINT32_MAX);
  EXPECT_EQ(get<uint32_t>(kBar0), 0xFFFF'F000U);
  EXPECT_EQ(get<uint32_t>(kBar0 + 4), 0U);
  EXPECT_EQ(get<uint32_t>(kBar2), 0xFFFF'E004U);
  EXPECT_EQ(get<uint32_t>(kBar2 + 4), UINT32_MAX);
  EXPECT_EQ(get<uint32_t>(0x20), 0U);
  EXPECT_EQ(get<uint32_t>(0x24), 0U);
}

TEST_F(PciFunctionTest, ABarIsReachedWithMemoryDecodingOnly) {
  put<uint32_t>(kBar0, 0x4000'1000);
  EXPECT_EQ(place(0), PciFunction::kNowhere);
  put<uint16_t>(kCommand, kMemory);
  EXPECT_EQ(place(0), 0x4000'1000U);
  put<uint16_t>(kCommand, 0);
  EXPECT_EQ(place(0), PciFunction::kNowhere);
  EXPECT_EQ(function.moves,
            (std::vector<std::pair<uint8_t, std::optional<Gpa>>>{{0, Gpa{0x4000'1000}}, {0, std::nullopt}}));
}

TEST_F(PciFunctionTest, AWideBarIsReachedInEitherWindow) {
  put<uint16_t>(kCommand, kMemory);
  put<uint32_t>(kBar2, 0x4000'2000);
  EXPECT_EQ(place(2), 0x4000'2000U);
  put<uint32_t>(kBar2 + 4, 0x100);
  EXPECT_EQ(place(2), 0x100'4000'2000U);
}

TEST_F(PciFunctionTest, SizingWithDecodingOnPutsItNowhereMeanwhile) {
  put<uint16_t>(kCommand, kMemory);
  put<uint32_t>(kBar0, 0x4000'1000);
  put<uint32_t>(kBar0, UINT32_MAX);
  EXPECT_EQ(place(0), PciFunction::kNowhere);
  put<uint32_t>(kBar0, 0x4000'1000);
  EXPECT_EQ(place(0), 0x4000'1000U);
}

TEST_F(PciFunctionTest, OutsideTheWindowsABarIsNowhere) {
  put<uint16_t>(kCommand, kMemory);
  for (const uint32_t at : {0U, 0x1000'0000U, 0x3000'0000U, 0x3FFF'F000U, 0x8000'0000U, 0xFFFF'F000U}) {
    put<uint32_t>(kBar0, at);
    EXPECT_EQ(place(0), PciFunction::kNowhere) << std::hex << at;
  }
  put<uint32_t>(kBar0, 0x7FFF'F000);
  EXPECT_EQ(place(0), 0x7FFF'F000U);
  put<uint32_t>(kBar2, 0);
  put<uint32_t>(kBar2 + 4, 0x110);
  EXPECT_EQ(place(2), PciFunction::kNowhere);
  put<uint32_t>(kBar2 + 4, UINT32_MAX);
  EXPECT_EQ(place(2), PciFunction::kNowhere);
  put<uint32_t>(kBar2, 0xFFFF'E000);
  put<uint32_t>(kBar2 + 4, 0x10F);
  EXPECT_EQ(place(2), 0x10F'FFFF'E000U);
}

TEST_F(PciFunctionTest, BytesOfABarCanBeWrittenAlone) {
  put<uint16_t>(kCommand, kMemory);
  put<uint8_t>(kBar0 + 3, 0x40);
  put<uint16_t>(kBar0, 0x3FFF);
  EXPECT_EQ(get<uint32_t>(kBar0), 0x4000'3000U);
  EXPECT_EQ(place(0), 0x4000'3000U);
}

TEST_F(PciFunctionTest, ThePinFollowsWhatIsWanted) {
  function.want_interrupt(true);
  EXPECT_TRUE(line.level);
  EXPECT_EQ(get<uint16_t>(kStatus) & 8, 8);
  function.want_interrupt(true);
  EXPECT_EQ(line.calls, 1);
  function.want_interrupt(false);
  EXPECT_FALSE(line.level);
  EXPECT_EQ(get<uint16_t>(kStatus) & 8, 0);
}

TEST_F(PciFunctionTest, InterruptDisableKeepsThePinLowButNotTheStatus) {
  put<uint16_t>(kCommand, kInterruptDisable);
  function.want_interrupt(true);
  EXPECT_FALSE(line.level);
  EXPECT_EQ(get<uint16_t>(kStatus) & 8, 8);
  put<uint16_t>(kCommand, 0);
  EXPECT_TRUE(line.level);
  put<uint16_t>(kCommand, kInterruptDisable);
  EXPECT_FALSE(line.level);
}

TEST_F(PciFunctionTest, MsixTakesThePlaceOfThePin) {
  function.want_interrupt(true);
  set_msix(0x8000);
  EXPECT_FALSE(line.level);
  EXPECT_EQ(get<uint16_t>(kStatus) & 8, 0);
  set_msix(0);
  EXPECT_TRUE(line.level);
}

TEST_F(PciFunctionTest, MsixIsInItsBar) {
  set_msix(0xFFFF);
  EXPECT_EQ(get<uint16_t>(kMsix + 2), 0xC000 | (FakePciFunction::kVectors - 1));
  store_bar<uint32_t>(function, 2, FakePciFunction::kTable + 16, 0x2800'1000);
  store_bar<uint64_t>(function, 2, FakePciFunction::kTable + 24, 5);
  EXPECT_EQ(load_bar<uint32_t>(function, 2, FakePciFunction::kTable + 16), 0x2800'1000U);
  function.signal(1);
  EXPECT_EQ(load_bar<uint64_t>(function, 2, FakePciFunction::kPending), 2U);
  store_bar<uint64_t>(function, 2, FakePciFunction::kPending, 0);
  EXPECT_EQ(load_bar<uint32_t>(function, 2, FakePciFunction::kPending), 2U);
  set_msix(0x8000);
  EXPECT_EQ(sink.messages, (std::vector{MsiMessage{.address = 0x2800'1000, .data = 5}}));
}

TEST_F(PciFunctionTest, AroundMsixTheBarIsTheDevices) {
  store_bar<uint8_t>(function, 2, FakePciFunction::kTable - 1, 0x5A);
  EXPECT_EQ(load_bar<uint8_t>(function, 2, FakePciFunction::kTable - 1), 0x5AU);
  const uint64_t behind = FakePciFunction::kTable + FakePciFunction::kVectors * 16;
  store_bar<uint8_t>(function, 2, behind, 0xA5);
  EXPECT_EQ(load_bar<uint8_t>(function, 2, behind), 0xA5U);
  store_bar<uint16_t>(function, 0, FakePciFunction::kTable - 0x1000, 0x1122);
  EXPECT_EQ(load_bar<uint16_t>(function, 0, 0), 0x1122U);
}

TEST_F(PciFunctionTest, WithoutTakerOfMessagesThereIsNoMsix) {
  FakePciFunction other{{.windows = kWindows, .intx = line, .msi = nullptr}};
  EXPECT_EQ(other.capability, kMsix);
  EXPECT_EQ(load_config<uint16_t>(other, kMsix), 0x09U);
  store_bar<uint8_t>(other, 2, FakePciFunction::kTable, 0x77);
  EXPECT_EQ(load_bar<uint8_t>(other, 2, FakePciFunction::kTable), 0x77U);
  other.want_interrupt(true);
  EXPECT_TRUE(line.level);
}

TEST_F(PciFunctionTest, StateGoesRound) {
  put<uint32_t>(kBar0, 0x4000'1000);
  put<uint32_t>(kBar2 + 4, 0x101);
  put<uint16_t>(kCommand, kMemory);
  put<uint8_t>(0x3C, 42);
  put<uint8_t>(function.capability + 3, 0x99);
  store_bar<uint32_t>(function, 2, FakePciFunction::kTable + 12, 0);
  function.want_interrupt(true);
  EXPECT_EQ(get<uint16_t>(kStatus) & 8, 8);
  FakeIrqLine other_line;
  FakePciFunction other{{.windows = kWindows, .intx = other_line, .msi = &sink}};
  other.restore(function.state());
  EXPECT_EQ(other.state(), function.state());
  EXPECT_EQ(other.bar_place(0), 0x4000'1000U);
  EXPECT_EQ(other.bar_place(2), 0x101'0000'0000U);
  EXPECT_TRUE(other_line.level);
  EXPECT_EQ(load_config<uint8_t>(other, 0x3C), 42U);
}

TEST_F(PciFunctionTest, MsixIsOnAgainAfterARestore) {
  set_msix(0xC000);
  store_bar<uint32_t>(function, 2, FakePciFunction::kTable + 12, 0);
  function.signal(0);
  FakeIrqLine other_line;
  FakePciFunction other{{.windows = kWindows, .intx = other_line, .msi = &sink}};
  other.restore(function.state());
  EXPECT_TRUE(sink.messages.empty());
  store_config<uint16_t>(other, kMsix + 2, 0x8000);
  EXPECT_EQ(sink.messages.size(), 1U);
}

TEST_F(PciFunctionTest, RestoresOnlyWhatAGuestCanWrite) {
  PciFunctionState state = function.state();
  state.config.fill(std::byte{0xFF});
  function.restore(state);
  EXPECT_EQ(get<uint32_t>(0x00), 0x5678'1234U);
  EXPECT_EQ(get<uint16_t>(kCommand), 0x0406U);
  EXPECT_EQ(place(0), PciFunction::kNowhere);
}

}  // namespace
}  // namespace rvvmm::pci_function_test

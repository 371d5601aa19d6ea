#include "devices/platform/uart16550.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libfdt.h>

#include <string>

#include "fakes/fake_console.hpp"
#include "fakes/fake_irq.hpp"
#include "unit/devices/register_access.hpp"

namespace rvvmm::uart16550_test {
namespace {

enum Offset : uint64_t {
  kRbr = 0,
  kThr = 0,
  kDll = 0,
  kIer = 1,
  kDlm = 1,
  kIir = 2,
  kFcr = 2,
  kLcr = 3,
  kMcr = 4,
  kLsr = 5,
  kMsr = 6,
  kScr = 7
};

class Uart16550Test : public testing::Test {
 protected:
  Uart16550Test() { in_.set_listener(&uart_); }

  uint8_t get(uint64_t offset) { return load_register<uint8_t>(uart_, offset); }
  void put(uint64_t offset, int value) { store_register(uart_, offset, static_cast<uint8_t>(value)); }
  bool asserted() const { return irq_.level; }
  // Looks at LSR until there is data, at most so often that the device must have taken it for polling.
  bool poll() {
    for (uint32_t i = 0; i < Uart16550::kPollingReads; ++i) {
      if ((get(kLsr) & 0x01) != 0) return true;
    }
    return false;
  }
  std::string receive_all() {
    std::string got;
    while (poll())
      got += static_cast<char>(get(kRbr));
    return got;
  }

  StoppableSink out_;
  TypedSource in_;
  FakeIrqLine irq_;
  Uart16550 uart_{out_, in_, irq_};
};

TEST_F(Uart16550Test, AfterPowerOnTheTransmitterIsEmptyAndNothingInterrupts) {
  EXPECT_EQ(get(kLsr), 0x60);
  EXPECT_EQ(get(kIir), 0x01);
  EXPECT_EQ(get(kIer), 0x00);
  EXPECT_EQ(get(kLcr), 0x00);
  EXPECT_EQ(get(kMcr), 0x00);
  EXPECT_EQ(get(kMsr), 0xB0);
  EXPECT_FALSE(asserted());
}

TEST_F(Uart16550Test, OnlyBytesAtTheEightRegistersAreTaken) {
  EXPECT_EQ(load_status<uint8_t>(uart_, kScr), IoStatus::kOk);
  EXPECT_EQ(load_status<uint8_t>(uart_, 8), IoStatus::kNoRegister);
  EXPECT_EQ(load_status<uint16_t>(uart_, kLsr), IoStatus::kBadWidth);
  EXPECT_EQ(load_status<uint64_t>(uart_, kRbr), IoStatus::kBadWidth);
  EXPECT_EQ(store_status<uint32_t>(uart_, kThr, 'x'), IoStatus::kBadWidth);
  EXPECT_EQ(store_status<uint8_t>(uart_, 8, 'x'), IoStatus::kNoRegister);
  EXPECT_EQ(load_status<uint8_t>(uart_, UINT64_MAX), IoStatus::kNoRegister);
  EXPECT_EQ(out_.text(), "");
}

TEST_F(Uart16550Test, BytesWrittenToThrComeOutInOrder) {
  for (const char c : std::string{"hello"})
    put(kThr, c);
  EXPECT_EQ(out_.text(), "hello");
}

TEST_F(Uart16550Test, TheDivisorLatchHidesDataAndInterruptEnable) {
  put(kIer, 0x0F);
  put(kLcr, 0x83);
  put(kDll, 0x34);
  put(kDlm, 0x12);
  EXPECT_EQ(get(kDll), 0x34);
  EXPECT_EQ(get(kDlm), 0x12);
  put(kLcr, 0x03);
  EXPECT_EQ(get(kIer), 0x0F);
  EXPECT_EQ(out_.text(), "");
}

TEST_F(Uart16550Test, ReservedBitsStayZero) {
  put(kIer, 0xF0);
  EXPECT_EQ(get(kIer), 0x00);
  put(kMcr, 0xE0);
  EXPECT_EQ(get(kMcr), 0x00);
}

TEST_F(Uart16550Test, StatusRegistersIgnoreWrites) {
  put(kLsr, 0x1E);
  put(kMsr, 0x0F);
  EXPECT_EQ(get(kLsr), 0x60);
  EXPECT_EQ(get(kMsr), 0xB0);
}

TEST_F(Uart16550Test, IdentificationShowsWhetherTheFifosAreOn) {
  put(kFcr, 0x01);
  EXPECT_EQ(get(kIir), 0xC1);
  put(kFcr, 0xC6);  // without bit 0 the others do not count
  EXPECT_EQ(get(kIir), 0x01);
}

// What a driver looks at to tell an 8250, 16450, 16550, 16550A, 16650 and 16750 apart.
TEST_F(Uart16550Test, IsRecognisedAsA16550A) {
  put(kIer, 0x00);
  EXPECT_EQ(get(kIer) & 0x0F, 0x00);
  put(kIer, 0x0F);
  EXPECT_EQ(get(kIer) & 0x0F, 0x0F);
  put(kIer, 0x00);
  put(kMcr, 0x1A);  // loop, OUT2, RTS: carrier and CTS come back
  EXPECT_EQ(get(kMsr) & 0xF0, 0x90);
  put(kMcr, 0x00);
  put(kScr, 0xA5);  // the 8250 has no scratch register
  EXPECT_EQ(get(kScr), 0xA5);
  put(kLcr, 0xBF);  // a 16650's extended features would appear at offset 2
  put(kFcr, 0x00);
  put(kLcr, 0x00);
  put(kFcr, 0x01);
  EXPECT_EQ(get(kIir) >> 6, 3);
  put(kLcr, 0x80);
  put(kFcr, 0x21);  // a 16750's 64-byte FIFO would set bit 5
  EXPECT_EQ(get(kIir) >> 5, 6);
  put(kLcr, 0x00);
  put(kIer, 0x40);  // XScale's unit enable
  EXPECT_EQ(get(kIer), 0x00);
}

TEST_F(Uart16550Test, TurningTheTransmitterInterruptOnRaisesItAndReadingItsNameTakesItBack) {
  put(kIer, 0x02);
  EXPECT_TRUE(asserted());
  EXPECT_EQ(get(kIir), 0x02);
  EXPECT_FALSE(asserted());
  EXPECT_EQ(get(kIir), 0x01);
}

TEST_F(Uart16550Test, TurningTheTransmitterInterruptOnAgainRaisesItAgain) {
  put(kIer, 0x02);
  get(kIir);
  put(kIer, 0x02);  // no edge
  EXPECT_EQ(get(kIir), 0x01);
  put(kIer, 0x00);
  put(kIer, 0x02);
  EXPECT_EQ(get(kIir), 0x02);
}

TEST_F(Uart16550Test, EveryByteSentRaisesTheTransmitterInterruptOnceRead) {
  put(kIer, 0x02);
  get(kIir);
  for (int i = 0; i < 3; ++i) {
    put(kThr, 'x');
    EXPECT_TRUE(asserted());
    EXPECT_EQ(get(kIir), 0x02);
    EXPECT_FALSE(asserted());
  }
}

TEST_F(Uart16550Test, AnInterruptOfHigherPriorityDoesNotTakeTheTransmittersBack) {
  put(kIer, 0x03);
  in_.type("a");
  EXPECT_EQ(get(kIir), 0x04);
  EXPECT_EQ(get(kRbr), 'a');
  EXPECT_EQ(get(kIir), 0x02);
}

TEST_F(Uart16550Test, DisablingAnInterruptLowersTheLine) {
  put(kIer, 0x02);
  put(kIer, 0x00);
  EXPECT_FALSE(asserted());
  EXPECT_EQ(get(kIir), 0x01);
}

TEST_F(Uart16550Test, InputRaisesTheDataInterruptUntilItIsRead) {
  put(kIer, 0x01);
  EXPECT_FALSE(asserted());
  in_.type("k");
  EXPECT_TRUE(asserted());
  EXPECT_EQ(get(kIir), 0x04);
  EXPECT_EQ(get(kLsr), 0x61);
  EXPECT_EQ(get(kRbr), 'k');
  EXPECT_FALSE(asserted());
  EXPECT_EQ(get(kLsr), 0x60);
}

TEST_F(Uart16550Test, BelowTheTriggerLevelTheTimeoutComesAtOnceAndFromItOnTheDataInterrupt) {
  const std::array<std::pair<int, size_t>, 4> levels{{{0x00, 1}, {0x40, 4}, {0x80, 8}, {0xC0, 14}}};
  for (const auto& [bits, level] : levels) {
    put(kFcr, 0x03 | bits);
    put(kIer, 0x01);
    in_.type(std::string(level - 1, 'x'));
    EXPECT_EQ(get(kIir), level == 1 ? 0xC1 : 0xCC) << level;
    in_.type("x");
    EXPECT_EQ(get(kIir), 0xC4) << level;
    get(kRbr);
    EXPECT_EQ(get(kIir), level == 1 ? 0xC1 : 0xCC) << level;
    receive_all();
    EXPECT_EQ(get(kIir), 0xC1) << level;
  }
}

TEST_F(Uart16550Test, TakesNoMoreInputThanTheFifoHolds) {
  put(kFcr, 0x01);
  put(kIer, 0x01);
  in_.type(std::string(100, 'x'));
  EXPECT_EQ(in_.waiting(), 84U);
  put(kIer, 0x00);
  EXPECT_EQ(receive_all().size(), 100U);
}

TEST_F(Uart16550Test, WithoutFifosTakesOneByte) {
  put(kIer, 0x01);
  in_.type("abc");
  EXPECT_EQ(in_.waiting(), 2U);
  EXPECT_EQ(get(kRbr), 'a');
  EXPECT_EQ(in_.waiting(), 1U);
  EXPECT_TRUE(asserted());
}

TEST_F(Uart16550Test, APollingGuestIsGivenOneByteAtATime) {
  in_.type("abc");
  EXPECT_EQ(in_.waiting(), 3U);
  EXPECT_TRUE(poll());
  EXPECT_EQ(in_.waiting(), 2U);
  EXPECT_TRUE(poll());
  EXPECT_EQ(in_.waiting(), 2U);
}

TEST_F(Uart16550Test, OnceAGuestPollsOneLookAtStatusIsEnough) {
  in_.type("abc");
  EXPECT_TRUE(poll());
  for (const char c : std::string{"abc"}) {
    EXPECT_EQ(get(kLsr), 0x61);
    EXPECT_EQ(get(kRbr), c);
  }
  EXPECT_EQ(get(kLsr), 0x60);
}

TEST_F(Uart16550Test, ADriverThatEmptiesRegistersAsItStartsTakesNoInput) {
  in_.type("typed ahead");
  for (int round = 0; round < 2; ++round) {
    put(kFcr, 0x01);
    put(kFcr, 0x07);
    put(kFcr, 0x00);
    for (const uint64_t offset : {kLsr, kRbr, kIir, kMsr})
      get(offset);
  }
  put(kFcr, 0x01);
  put(kIer, 0x05);
  EXPECT_EQ(receive_all(), "typed ahead");
}

TEST_F(Uart16550Test, AGuestThatOnlySendsTakesNoInput) {
  in_.type("abc");
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(get(kLsr), 0x60);
    put(kThr, 'x');
  }
  EXPECT_EQ(in_.waiting(), 3U);
}

TEST_F(Uart16550Test, AGuestThatLooksForInputBetweenTheBytesItSendsFindsIt) {
  in_.type("a");
  bool found = false;
  for (uint32_t i = 0; i < 2 * Uart16550::kPollingReads && !found; ++i) {
    found = (get(kLsr) & 0x01) != 0;
    get(kLsr);
    put(kThr, '.');
  }
  EXPECT_TRUE(found);
}

TEST_F(Uart16550Test, EnablingTheDataInterruptFindsEarlierInput) {
  put(kFcr, 0x01);
  in_.type("abc");
  put(kIer, 0x01);
  EXPECT_TRUE(asserted());
  EXPECT_EQ(receive_all(), "abc");
}

TEST_F(Uart16550Test, SwitchingTheFifosOnOrOffKeepsInput) {
  put(kFcr, 0x01);
  put(kIer, 0x01);
  in_.type("0123456789abcdefghij");
  put(kFcr, 0x00);
  EXPECT_EQ(get(kRbr), '0');
  put(kFcr, 0x01);
  EXPECT_EQ(receive_all(), "123456789abcdefghij");
}

TEST_F(Uart16550Test, ClearingTheReceiverDropsWhatItHolds) {
  put(kFcr, 0x01);
  in_.type("a");
  EXPECT_TRUE(poll());
  put(kFcr, 0x03);
  EXPECT_EQ(get(kLsr), 0x60);
}

TEST_F(Uart16550Test, ReadingAnEmptyReceiverTakesNothing) {
  in_.type("ab");
  get(kRbr);
  EXPECT_EQ(receive_all(), "ab");
}

TEST_F(Uart16550Test, LoopedBytesComeBackAndDoNotGoOut) {
  put(kLcr, 0x03);
  put(kFcr, 0x01);
  put(kMcr, 0x10);
  for (const char c : std::string{"loop"})
    put(kThr, c);
  EXPECT_EQ(receive_all(), "loop");
  EXPECT_EQ(out_.text(), "");
}

TEST_F(Uart16550Test, LoopedBytesHaveTheLengthOfAWord) {
  put(kMcr, 0x10);
  for (const auto& [length, expected] : {std::pair{0, 0x1F}, {1, 0x3F}, {2, 0x7F}, {3, 0xFF}}) {
    put(kLcr, length);
    put(kThr, 0xFF);
    EXPECT_EQ(get(kRbr), expected);
  }
}

TEST_F(Uart16550Test, LoopedItDoesNotHearTheConsole) {
  put(kIer, 0x01);
  put(kMcr, 0x10);
  in_.type("a");
  EXPECT_EQ(get(kLsr), 0x60);
  EXPECT_FALSE(asserted());
  put(kMcr, 0x00);
  EXPECT_TRUE(asserted());
  EXPECT_EQ(receive_all(), "a");
}

TEST_F(Uart16550Test, LoopedModemControlsComeBackAsStatus) {
  put(kMcr, 0x10);
  EXPECT_EQ(get(kMsr) & 0xF0, 0x00);
  for (const auto& [control, status] : {std::pair{0x01, 0x20}, {0x02, 0x10}, {0x04, 0x40}, {0x08, 0x80}}) {
    put(kMcr, 0x10 | control);
    EXPECT_EQ(get(kMsr) & 0xF0, status) << control;
  }
}

TEST_F(Uart16550Test, AModemChangeInterruptsUntilItsStatusIsRead) {
  put(kMcr, 0x10);
  get(kMsr);
  put(kIer, 0x08);
  EXPECT_FALSE(asserted());
  put(kMcr, 0x12);
  EXPECT_TRUE(asserted());
  EXPECT_EQ(get(kIir), 0x00);
  EXPECT_EQ(get(kMsr), 0x11);
  EXPECT_FALSE(asserted());
  EXPECT_EQ(get(kMsr), 0x10);
}

TEST_F(Uart16550Test, OnlyTheEndOfARingIsAChange) {
  put(kMcr, 0x10);
  get(kMsr);
  put(kMcr, 0x14);
  EXPECT_EQ(get(kMsr), 0x40);
  put(kMcr, 0x10);
  EXPECT_EQ(get(kMsr), 0x04);
}

TEST_F(Uart16550Test, ALoopedByteTooManyIsAnOverrunThatKeepsTheFifo) {
  put(kLcr, 0x03);
  put(kFcr, 0x01);
  put(kMcr, 0x10);
  for (int i = 0; i < 17; ++i)
    put(kThr, 'a' + i);
  EXPECT_EQ(get(kLsr), 0x63);
  EXPECT_EQ(get(kLsr), 0x61);
  EXPECT_EQ(receive_all(), "abcdefghijklmnop");
}

TEST_F(Uart16550Test, WithoutFifosALoopedByteReplacesTheOneNotRead) {
  put(kLcr, 0x03);
  put(kMcr, 0x10);
  put(kThr, 'a');
  put(kThr, 'b');
  EXPECT_EQ(get(kLsr), 0x63);
  EXPECT_EQ(get(kRbr), 'b');
}

TEST_F(Uart16550Test, ALineErrorInterruptsFirstAndUntilStatusIsRead) {
  put(kLcr, 0x03);
  put(kMcr, 0x10);
  put(kIer, 0x07);
  put(kThr, 'a');
  put(kThr, 'b');
  EXPECT_EQ(get(kIir), 0x06);
  EXPECT_EQ(get(kLsr), 0x63);
  EXPECT_EQ(get(kIir), 0x04);
}

TEST_F(Uart16550Test, ALoopedBreakIsOneZeroByteWithItsErrors) {
  put(kFcr, 0x01);
  put(kMcr, 0x10);
  put(kLcr, 0x43);
  EXPECT_EQ(get(kLsr), 0xF9);  // data, framing error, break, error in FIFO
  EXPECT_EQ(get(kLsr), 0x61);
  EXPECT_EQ(get(kRbr), 0);
  put(kThr, 'x');  // lost: the line is held
  EXPECT_EQ(get(kLsr), 0x60);
  put(kLcr, 0x03);
  put(kThr, 'x');
  EXPECT_EQ(receive_all(), "x");
}

TEST_F(Uart16550Test, AnErrorBecomesVisibleWhenItsByteIsNext) {
  put(kFcr, 0x01);
  put(kLcr, 0x03);
  put(kMcr, 0x10);
  put(kThr, 'a');
  put(kLcr, 0x43);
  EXPECT_EQ(get(kLsr), 0xE1);  // somewhere in the FIFO
  EXPECT_EQ(get(kRbr), 'a');
  EXPECT_EQ(get(kLsr), 0xF9);
  EXPECT_EQ(get(kLsr), 0x61);
}

TEST_F(Uart16550Test, ABreakSentToTheConsoleIsNothing) {
  put(kLcr, 0x43);
  put(kThr, 'x');
  EXPECT_EQ(out_.text(), "x");
  EXPECT_EQ(get(kLsr), 0x60);
}

TEST_F(Uart16550Test, StateSurvivesARoundTrip) {
  put(kFcr, 0x81);
  put(kLcr, 0x83);
  put(kDll, 0x34);
  put(kDlm, 0x12);
  put(kLcr, 0x03);
  put(kScr, 0x77);
  put(kIer, 0x0F);
  put(kMcr, 0x1A);
  for (const char c : std::string{"pending"})
    put(kThr, c);
  const Uart16550State saved = uart_.state();

  FakeIrqLine irq;
  TypedSource in;
  Uart16550 other{out_, in, irq};
  other.restore(saved);

  EXPECT_EQ(other.state(), saved);
  EXPECT_TRUE(irq.level);
  for (const uint64_t offset : {kIir, kIer, kLcr, kMcr, kLsr, kMsr, kScr, kRbr, kIir}) {
    EXPECT_EQ(load_register<uint8_t>(other, offset), get(offset)) << offset;
  }
  EXPECT_EQ(other.state(), uart_.state());
}

TEST_F(Uart16550Test, ARestoredStateThatNoUartCanHaveIsCutToOneThatCan) {
  Uart16550State wrong;
  wrong.received = 255;
  wrong.ier = wrong.fcr = wrong.mcr = wrong.line_errors = wrong.modem_changes = 0xFF;
  wrong.errors.fill(0xFF);
  uart_.restore(wrong);
  EXPECT_EQ(get(kIer), 0x0F);
  EXPECT_EQ(get(kMcr), 0x1F);
  EXPECT_EQ(uart_.state().received, 16);
  EXPECT_EQ(receive_all().size(), 16U);
}

TEST_F(Uart16550Test, InterruptOfInputThatStandsStillIsAssertedAgain) {
  put(kFcr, 1);
  put(kIer, 1);
  in_.type("x");
  EXPECT_EQ(uart_.look_after_input(), InputLeft::kMoves);
  EXPECT_EQ(irq_.repeats, 0) << "the input has only just come";
  EXPECT_EQ(uart_.look_after_input(), InputLeft::kStandsStill);
  EXPECT_EQ(irq_.repeats, 1);
  in_.type("y");
  EXPECT_EQ(uart_.look_after_input(), InputLeft::kMoves);
  EXPECT_EQ(receive_all(), "xy");
  EXPECT_EQ(uart_.look_after_input(), InputLeft::kNone);
  EXPECT_EQ(irq_.repeats, 1);
}

TEST_F(Uart16550Test, InterruptOfTheTransmitterOrOneThatIsOffIsNotAssertedAgain) {
  put(kIer, 2);
  EXPECT_TRUE(asserted());
  in_.type("x");
  for (int i = 0; i < 3; ++i)
    EXPECT_NE(uart_.look_after_input(), InputLeft::kNone);
  EXPECT_EQ(irq_.repeats, 0);
}

TEST_F(Uart16550Test, DescribesItself) {
  FdtBuilder fdt;
  uart_.describe(fdt, {.window = {.base = Gpa{0x1000'0000}, .size = 0x100}, .interrupts = {10, 4}});
  const std::vector<std::byte> blob = fdt.finish();
  const int node = fdt_path_offset(blob.data(), "/serial@10000000");
  ASSERT_GE(node, 0);
  int length = 0;
  EXPECT_STREQ(static_cast<const char*>(fdt_getprop(blob.data(), node, "compatible", &length)), "ns16550a");
  EXPECT_NE(fdt_getprop(blob.data(), node, "clock-frequency", &length), nullptr);
  EXPECT_NE(fdt_getprop(blob.data(), node, "interrupts", &length), nullptr);
  EXPECT_EQ(length, 8);
}

}  // namespace
}  // namespace rvvmm::uart16550_test

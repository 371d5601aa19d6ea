#include "sbi/debug_console.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string_view>

#include "fakes/fake_console_ends.hpp"

namespace rvvmm::debug_console_test {
namespace {

constexpr uint64_t kDbcn = 0x4442434E;
constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kRamSize = 64_KiB;
constexpr Gpa kRamEnd = kRam + kRamSize;

class DebugConsoleTest : public ::testing::Test {
 protected:
  SbiRet call(uint64_t fid, uint64_t a0 = 0, uint64_t a1 = 0, uint64_t a2 = 0) {
    return console.handle(HartId{0}, SbiCall{.eid = kDbcn, .fid = fid, .args = {a0, a1, a2}});
  }
  void put(Gpa at, std::string_view text) {
    std::memcpy(memory.slice(at, text.size())->data(), text.data(), text.size());
  }

  GuestMemory memory{kRam, kRamSize};
  RecordingSink out;
  ScriptedSource in;
  DebugConsole console{memory, out, in};
};

TEST_F(DebugConsoleTest, WriteSendsTheBufferInOnePiece) {
  put(kRam, "hello");
  EXPECT_EQ(call(0, 5, kRam.value), SbiRet::ok(5));
  EXPECT_EQ(out.text, "hello");
  EXPECT_EQ(out.writes, 1);
}

TEST_F(DebugConsoleTest, WriteOfTheLastByteOfRamSucceeds) {
  put(kRamEnd + -1UL, "!");
  EXPECT_EQ(call(0, 1, kRamEnd.value - 1), SbiRet::ok(1));
  EXPECT_EQ(out.text, "!");
}

TEST_F(DebugConsoleTest, BufferOneBytePastRamIsInvalidParam) {
  EXPECT_EQ(call(0, 2, kRamEnd.value - 1), SbiRet::fail(SbiError::kInvalidParam));
  EXPECT_EQ(call(1, 2, kRamEnd.value - 1), SbiRet::fail(SbiError::kInvalidParam));
}

TEST_F(DebugConsoleTest, BufferOneByteBeforeRamIsInvalidParam) {
  EXPECT_EQ(call(0, 2, kRam.value - 1), SbiRet::fail(SbiError::kInvalidParam));
}

TEST_F(DebugConsoleTest, HugeLengthIsInvalidParam) {
  EXPECT_EQ(call(0, 1UL << 63, kRam.value), SbiRet::fail(SbiError::kInvalidParam));
  EXPECT_EQ(call(0, UINT64_MAX, kRam.value), SbiRet::fail(SbiError::kInvalidParam));
  EXPECT_EQ(call(1, UINT64_MAX, kRam.value + 1), SbiRet::fail(SbiError::kInvalidParam));
}

TEST_F(DebugConsoleTest, HighAddressWordIsInvalidParam) {
  EXPECT_EQ(call(0, 1, kRam.value, 1), SbiRet::fail(SbiError::kInvalidParam));
}

TEST_F(DebugConsoleTest, LengthZeroSucceedsAndWritesNothing) {
  EXPECT_EQ(call(0, 0, kRam.value), SbiRet::ok(0));
  EXPECT_EQ(call(1, 0, kRam.value), SbiRet::ok(0));
  EXPECT_EQ(out.writes, 0);
}

TEST_F(DebugConsoleTest, LongWriteIsCutToOneCallsWorkAndSaysSo) {
  EXPECT_EQ(call(0, kRamSize, kRam.value), SbiRet::ok(DebugConsole::kMaxBytesPerCall));
  EXPECT_EQ(out.text.size(), DebugConsole::kMaxBytesPerCall);
}

TEST_F(DebugConsoleTest, ReadWithoutInputReturnsZeroAndLeavesMemoryAlone) {
  put(kRam, "keep");
  EXPECT_EQ(call(1, 4, kRam.value), SbiRet::ok(0));
  EXPECT_EQ(memory.load<uint32_t>(kRam), 0x7065'656BU);
}

TEST_F(DebugConsoleTest, ReadTakesNoMoreThanAsked) {
  in.waiting = "abcdef";
  EXPECT_EQ(call(1, 4, kRam.value), SbiRet::ok(4));
  EXPECT_EQ(in.waiting, "ef");
  EXPECT_EQ(memory.load<uint32_t>(kRam), 0x6463'6261U);
}

TEST_F(DebugConsoleTest, WriteByteSendsTheLowEightBits) {
  EXPECT_EQ(call(2, 0xFFFF'FF41), SbiRet::ok());
  EXPECT_EQ(out.text, "A");
}

TEST_F(DebugConsoleTest, UnknownFunctionIsNotSupported) {
  EXPECT_EQ(call(3), SbiRet::fail(SbiError::kNotSupported));
  EXPECT_EQ(call(UINT64_MAX), SbiRet::fail(SbiError::kNotSupported));
}

}  // namespace
}  // namespace rvvmm::debug_console_test

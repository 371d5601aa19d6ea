#include "base/fdt_builder.hpp"

#include <gtest/gtest.h>
#include <libfdt.h>

#include <array>
#include <format>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace rvvmm::fdt_builder_test {
namespace {

const void* property(const std::vector<std::byte>& blob, const char* path, const char* name, int& length) {
  const int node = fdt_path_offset(blob.data(), path);
  if (node < 0) return nullptr;
  return fdt_getprop(blob.data(), node, name, &length);
}

std::vector<uint8_t> raw(const std::vector<std::byte>& blob, const char* path, const char* name) {
  int length = 0;
  const auto* const at = static_cast<const uint8_t*>(property(blob, path, name, length));
  return at == nullptr ? std::vector<uint8_t>{} : std::vector<uint8_t>(at, at + length);
}

TEST(FdtBuilder, AnEmptyTreeIsARootAndAsLongAsItSays) {
  FdtBuilder fdt;
  const std::vector<std::byte> blob = fdt.finish();
  EXPECT_EQ(fdt_check_full(blob.data(), blob.size()), 0);
  EXPECT_EQ(fdt_totalsize(blob.data()), blob.size());
  EXPECT_EQ(fdt_path_offset(blob.data(), "/"), 0);
}

TEST(FdtBuilder, NodesNestByScope) {
  FdtBuilder fdt;
  {
    const auto soc = fdt.node("soc");
    {
      const auto bus = fdt.node("bus");
      const auto device = fdt.node("device");
    }
    const auto other = fdt.node("other");
  }
  {
    const auto chosen = fdt.node("chosen");
  }
  const std::vector<std::byte> blob = fdt.finish();
  for (const char* path : {"/soc/bus/device", "/soc/other", "/chosen"}) {
    EXPECT_GE(fdt_path_offset(blob.data(), path), 0) << path;
  }
}

TEST(FdtBuilder, ANodesAddressIsInItsName) {
  FdtBuilder fdt;
  {
    const auto soc = fdt.node("soc");
    {
      const auto serial = fdt.node("serial", 0x1000'0000);
    }
    const auto memory = fdt.node("memory", 0x1'8000'0000);
  }
  const std::vector<std::byte> blob = fdt.finish();
  EXPECT_GE(fdt_path_offset(blob.data(), "/soc/serial@10000000"), 0);
  EXPECT_GE(fdt_path_offset(blob.data(), "/soc/memory@180000000"), 0);
}

TEST(FdtBuilder, CellsAreBigEndian) {
  FdtBuilder fdt;
  fdt.u32("one", 0x0102'0304);
  fdt.u64("long", 0x0102'0304'0506'0708);
  fdt.cells("two", {1, 0xFFFF'FFFF});
  const std::vector<std::byte> blob = fdt.finish();
  EXPECT_EQ(raw(blob, "/", "one"), (std::vector<uint8_t>{1, 2, 3, 4}));
  EXPECT_EQ(raw(blob, "/", "long"), (std::vector<uint8_t>{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(raw(blob, "/", "two"), (std::vector<uint8_t>{0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF}));
}

TEST(FdtBuilder, RegIsAddressAndSizeOfTwoCellsEach) {
  FdtBuilder fdt;
  fdt.reg({{.base = Gpa{0x1'0000'0000}, .size = 0x2000}, {.base = Gpa{0x10}, .size = 1}});
  const std::vector<std::byte> blob = fdt.finish();
  const std::vector<uint8_t> reg = raw(blob, "/", "reg");
  ASSERT_EQ(reg.size(), 32U);
  EXPECT_EQ(std::vector<uint8_t>(reg.begin(), reg.begin() + 16),
            (std::vector<uint8_t>{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0}));
  EXPECT_EQ(reg[23], 0x10);
  EXPECT_EQ(reg[31], 1);
}

TEST(FdtBuilder, StringsEndWithZeroEach) {
  FdtBuilder fdt;
  fdt.string("model", "rvvmm");
  fdt.strings("compatible", {"a", "bc"});
  fdt.string("nothing", "");
  const std::vector<std::byte> blob = fdt.finish();
  EXPECT_EQ(raw(blob, "/", "model").size(), 6U);
  EXPECT_EQ(raw(blob, "/", "compatible"), (std::vector<uint8_t>{'a', 0, 'b', 'c', 0}));
  EXPECT_EQ(raw(blob, "/", "nothing"), (std::vector<uint8_t>{0}));
}

TEST(FdtBuilder, AnEmptyPropertyIsThere) {
  FdtBuilder fdt;
  fdt.empty("ranges");
  const std::vector<std::byte> blob = fdt.finish();
  int length = -1;
  EXPECT_NE(property(blob, "/", "ranges", length), nullptr);
  EXPECT_EQ(length, 0);
}

TEST(FdtBuilder, BytesAreCopied) {
  FdtBuilder fdt;
  const std::array<std::byte, 3> seed{std::byte{9}, std::byte{8}, std::byte{7}};
  fdt.bytes("rng-seed", seed);
  EXPECT_EQ(raw(fdt.finish(), "/", "rng-seed"), (std::vector<uint8_t>{9, 8, 7}));
}

TEST(FdtBuilder, PhandlesCountFromOne) {
  FdtBuilder fdt;
  EXPECT_EQ(fdt.new_phandle(), 1U);
  EXPECT_EQ(fdt.new_phandle(), 2U);
}

// 512 harts make a tree of some 300 KiB: the buffer is outgrown in the middle of nodes, properties and their names.
TEST(FdtBuilder, GrowsManyTimesWithoutLosingAnything) {
  constexpr uint32_t kNodes = 512;
  FdtBuilder fdt;
  for (uint32_t i = 0; i < kNodes; ++i) {
    const auto node = fdt.node("cpu", i);
    fdt.u32("reg", i);
    fdt.string(std::format("name-{}", i), std::format("hart number {:0>200}", i));
  }
  const std::vector<std::byte> blob = fdt.finish();
  EXPECT_GT(blob.size(), 100'000U);
  ASSERT_EQ(fdt_check_full(blob.data(), blob.size()), 0);
  for (uint32_t i = 0; i < kNodes; ++i) {
    const std::string path = std::format("/cpu@{:x}", i);
    int length = 0;
    const void* const text = property(blob, path.c_str(), std::format("name-{}", i).c_str(), length);
    ASSERT_NE(text, nullptr) << path;
    EXPECT_STREQ(static_cast<const char*>(text), std::format("hart number {:0>200}", i).c_str());
  }
}

TEST(FdtBuilder, OnePropertyMayBeLargerThanTheFirstBuffer) {
  FdtBuilder fdt;
  const std::vector<std::byte> large(200'000, std::byte{0x5A});
  fdt.bytes("large", large);
  fdt.u32("after", 1);
  const std::vector<std::byte> blob = fdt.finish();
  EXPECT_EQ(fdt_check_full(blob.data(), blob.size()), 0);
  EXPECT_EQ(raw(blob, "/", "large"), std::vector<uint8_t>(200'000, 0x5A));
  EXPECT_EQ(raw(blob, "/", "after").size(), 4U);
}

TEST(FdtBuilder, MoreThan64MiBAreRefused) {
  FdtBuilder fdt;
  fdt.bytes("large", std::vector<std::byte>(32UL << 20));
  EXPECT_THROW(fdt.bytes("larger", std::vector<std::byte>(32UL << 20)), SetupError);
  EXPECT_GT(fdt.finish().size(), 32UL << 20);
}

}  // namespace
}  // namespace rvvmm::fdt_builder_test

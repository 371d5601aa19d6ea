#include "devices/platform/test_finisher.hpp"

#include <gtest/gtest.h>
#include <libfdt.h>

#include <optional>

#include "fakes/recorders.hpp"
#include "unit/devices/register_access.hpp"

namespace rvvmm::test_finisher_test {
namespace {

class TestFinisherTest : public testing::Test {
 protected:
  std::optional<FinishRequest> only_request() const {
    return listener_.requests.size() == 1 ? std::optional{listener_.requests[0]} : std::nullopt;
  }
  RecordingFinish listener_;
  TestFinisher finisher_{listener_};
};

TEST_F(TestFinisherTest, PassIsReported) {
  store_register<uint32_t>(finisher_, 0, 0x5555);
  EXPECT_EQ(only_request(), (FinishRequest{.kind = FinishKind::kPass, .code = 0}));
}

TEST_F(TestFinisherTest, FailCarriesSixteenBitsOfCode) {
  store_register<uint32_t>(finisher_, 0, 0xFFFF'3333);
  EXPECT_EQ(only_request(), (FinishRequest{.kind = FinishKind::kFail, .code = 0xFFFF}));
}

TEST_F(TestFinisherTest, ResetIsReported) {
  store_register<uint32_t>(finisher_, 0, 0x7777);
  EXPECT_EQ(only_request(), (FinishRequest{.kind = FinishKind::kReset, .code = 0}));
}

TEST_F(TestFinisherTest, AHalfwordIsEnoughAndFailsWithCodeZero) {
  store_register<uint16_t>(finisher_, 0, 0x3333);
  EXPECT_EQ(only_request(), (FinishRequest{.kind = FinishKind::kFail, .code = 0}));
}

TEST_F(TestFinisherTest, OtherValuesAreIgnored) {
  for (const uint32_t value : {0x0U, 0x1234U, 0x5554U, 0x5556U, 0x5555'0000U, 0xFFFF'FFFFU}) {
    store_register<uint32_t>(finisher_, 0, value);
  }
  EXPECT_TRUE(listener_.requests.empty());
}

TEST_F(TestFinisherTest, OtherWidthsAndOffsetsAreRefused) {
  EXPECT_EQ(store_status<uint8_t>(finisher_, 0, 0x55), IoStatus::kBadWidth);
  EXPECT_EQ(store_status<uint64_t>(finisher_, 0, 0x5555), IoStatus::kBadWidth);
  EXPECT_EQ(store_status<uint32_t>(finisher_, 4, 0x5555), IoStatus::kNoRegister);
  EXPECT_EQ(load_status<uint8_t>(finisher_, 0), IoStatus::kBadWidth);
  EXPECT_EQ(load_status<uint32_t>(finisher_, 4), IoStatus::kNoRegister);
  EXPECT_TRUE(listener_.requests.empty());
}

TEST_F(TestFinisherTest, ReadsZero) {
  EXPECT_EQ(load_register<uint32_t>(finisher_, 0), 0U);
  EXPECT_EQ(load_register<uint16_t>(finisher_, 0), 0U);
}

TEST_F(TestFinisherTest, DescribesItself) {
  FdtBuilder fdt;
  const FdtSlot slot{.window = {.base = Gpa{0x10'0000}, .size = 0x1000}, .interrupts = {}, .own_phandle = 7};
  finisher_.describe(fdt, slot);
  finisher_.describe_beside_bus(fdt, slot);
  const std::vector<std::byte> blob = fdt.finish();
  const int node = fdt_path_offset(blob.data(), "/test@100000");
  ASSERT_GE(node, 0);
  for (const char* name : {"sifive,test1", "sifive,test0", "syscon"}) {
    EXPECT_EQ(fdt_node_check_compatible(blob.data(), node, name), 0) << name;
  }
  EXPECT_EQ(fdt_get_phandle(blob.data(), node), 7U);
  const auto expect_act = [&](const char* path, const char* driver, uint32_t value) {
    SCOPED_TRACE(path);
    const int act = fdt_path_offset(blob.data(), path);
    ASSERT_GE(act, 0);
    EXPECT_EQ(fdt_node_check_compatible(blob.data(), act, driver), 0);
    for (const auto& [name, expected] : {std::pair{"regmap", 7U}, {"offset", 0U}, {"value", value}}) {
      int size = 0;
      const auto* const cell = static_cast<const fdt32_t*>(fdt_getprop(blob.data(), act, name, &size));
      ASSERT_EQ(size, 4) << name;
      EXPECT_EQ(fdt32_to_cpu(*cell), expected) << name;
    }
  };
  expect_act("/poweroff", "syscon-poweroff", 0x5555);
  expect_act("/reboot", "syscon-reboot", 0x7777);
}

}  // namespace
}  // namespace rvvmm::test_finisher_test

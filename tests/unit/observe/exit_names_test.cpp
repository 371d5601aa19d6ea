#include "observe/exit_names.hpp"

#include <gtest/gtest.h>

#include <cerrno>

namespace rvvmm::exit_names_test {
namespace {

class Devices final : public DeviceNames {
 public:
  std::vector<std::string> device_names() const override { return {"uart"}; }
  std::vector<std::string> register_names(std::string_view /*device*/) const override { return {}; }
  std::optional<RegisterPlace> place_of(Gpa at, bool /*is_write*/) const override {
    if (at == Gpa{0x1000'0005}) return RegisterPlace{.device = "uart", .reg = "lsr", .offset = 5};
    if (at == Gpa{0x1000'0009}) return RegisterPlace{.device = "uart", .reg = "", .offset = 9};
    return std::nullopt;
  }
};

std::string name(const ExitKey& key) {
  return name_of(key, Devices{});
}

TEST(ExitNames, DevicesAndRegisters) {
  EXPECT_EQ(name({.what = 0x1000'0005, .kind = ExitKind::kMmio}), "uart.lsr read");
  EXPECT_EQ(name({.what = 0x1000'0009, .function = 1, .kind = ExitKind::kMmio}), "uart+0x9 write");
  EXPECT_EQ(name({.what = 0x3000, .kind = ExitKind::kMmio}), "nothing at 0x3000 read");
}

TEST(ExitNames, SbiFunctions) {
  EXPECT_EQ(sbi_name(0x4442'434E, 2), "dbcn.write_byte");
  EXPECT_EQ(sbi_name(0x4442'434E, 7), "dbcn.0x7");
  EXPECT_EQ(sbi_name(0x0848'5643, 6), "hypercall.batch");
  EXPECT_EQ(sbi_name(0x0900'0000, UINT64_MAX), "0x9000000.0xffffffffffffffff");
}

// Before SBI 0.2 the EID was the function, and a6 was nothing.
TEST(ExitNames, LegacyCallsAreFunctionsOfOneExtension) {
  EXPECT_EQ(sbi_name(1, 0x1234), "legacy.putchar");
  EXPECT_EQ(sbi_name(8, 0), "legacy.shutdown");
  EXPECT_EQ(sbi_name(9, 0), "0x9.0x0");
}

TEST(ExitNames, TheRest) {
  EXPECT_EQ(name({.what = 0x015, .kind = ExitKind::kCsr}), "seed");
  EXPECT_EQ(name({.what = 0x801, .kind = ExitKind::kCsr}), "0x801");
  EXPECT_EQ(name({.what = 1, .kind = ExitKind::kSystemEvent}), "shutdown");
  EXPECT_EQ(name({.what = 77, .kind = ExitKind::kSystemEvent}), "type 0x4d");
  EXPECT_EQ(name({.kind = ExitKind::kInterrupted}), "signal");
  EXPECT_EQ(name({.what = 0, .function = EFAULT, .kind = ExitKind::kOther}), "KVM_RUN: Bad address");
  EXPECT_EQ(name({.what = 4, .kind = ExitKind::kOther}), "reason 4");
}

TEST(ExitNames, KindsAreFoundByTheirNames) {
  for (size_t kind = 0; kind < kExitKinds; ++kind)
    EXPECT_EQ(exit_kind_named(name_of(static_cast<ExitKind>(kind))), static_cast<ExitKind>(kind));
  EXPECT_EQ(exit_kind_named("mmi"), std::nullopt);
}

}  // namespace
}  // namespace rvvmm::exit_names_test

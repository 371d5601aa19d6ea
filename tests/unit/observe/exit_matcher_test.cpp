#include "observe/exit_matcher.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace rvvmm::exit_matcher_test {
namespace {

class Devices final : public DeviceNames {
 public:
  std::vector<std::string> device_names() const override { return {"uart", "disk0"}; }
  std::vector<std::string> register_names(std::string_view device) const override {
    return device == "uart" ? std::vector<std::string>{"lsr"} : std::vector<std::string>{};
  }
  std::optional<RegisterPlace> place_of(Gpa at, bool /*is_write*/) const override {
    if (at.value - 0x1000'0000 < 0x100)
      return RegisterPlace{.device = "uart", .reg = at.value == 0x1000'0005 ? "lsr" : "", .offset = at.value & 0xFF};
    return std::nullopt;
  }
};

ExitRecord access(uint64_t at, bool is_write, uint64_t value = 0) {
  ExitRecord exit;
  exit.kind = ExitKind::kMmio;
  exit.mmio = {.at = at, .value = value, .width = 1, .is_write = is_write};
  return exit;
}

ExitRecord call(uint64_t eid, uint64_t fid, std::array<uint64_t, 6> args = {}, int64_t error = 0) {
  ExitRecord exit;
  exit.kind = ExitKind::kSbi;
  exit.sbi = {.eid = eid, .fid = fid, .args = args, .error = error, .value = 0};
  return exit;
}

bool matches(std::string_view text, const ExitRecord& exit) {
  return ExitMatcher{"--trace", text}.matches(exit, Devices{});
}

std::string error_of(std::string_view text) {
  try {
    const Devices devices;
    const ExitMatcher matcher{"--trace", text};
    matcher.check_devices(devices);
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kUsage);
    return error.what();
  }
  return "accepted";
}

constexpr uint64_t kDbcn = 0x4442'434E;
constexpr uint64_t kLsr = 0x1000'0005;

TEST(ExitMatcher, KindAloneIsAllOfIt) {
  EXPECT_TRUE(matches("mmio", access(kLsr, false)));
  EXPECT_FALSE(matches("sbi", access(kLsr, false)));
  EXPECT_TRUE(matches("sbi,mmio", access(kLsr, false)));
  EXPECT_TRUE(matches("all", access(0x3000, false)));
}

TEST(ExitMatcher, NamesOfCalls) {
  EXPECT_TRUE(matches("sbi:dbcn", call(kDbcn, 2)));
  EXPECT_TRUE(matches("sbi:dbcn.*", call(kDbcn, 77)));
  EXPECT_TRUE(matches("sbi:dbcn.write*", call(kDbcn, 2)));
  EXPECT_FALSE(matches("sbi:dbcn.write", call(kDbcn, 2)));
  EXPECT_TRUE(matches("sbi:dbcn.2", call(kDbcn, 2)));
  EXPECT_TRUE(matches("sbi:0x9000000.7", call(0x0900'0000, 7)));
  EXPECT_FALSE(matches("sbi:0x9000000.7", call(0x0900'0000, 8)));
  EXPECT_TRUE(matches("sbi:legacy.putchar", call(1, 0)));
  EXPECT_TRUE(matches("sbi:hsm.hart_start", call(0x0848'534D, 0))) << "the one that rvvmm answers";
}

TEST(ExitMatcher, NamesOfRegisters) {
  EXPECT_TRUE(matches("mmio:uart", access(kLsr, false)));
  EXPECT_TRUE(matches("mmio:uart.lsr", access(kLsr, true)));
  EXPECT_TRUE(matches("mmio:uart.read", access(kLsr, false)));
  EXPECT_FALSE(matches("mmio:uart.write", access(kLsr, false)));
  EXPECT_TRUE(matches("mmio:u*.lsr.read", access(kLsr, false)));
  EXPECT_FALSE(matches("mmio:uart.lsr.write", access(kLsr, false)));
  EXPECT_TRUE(matches("mmio:uart.0x9", access(0x1000'0009, false)));
  EXPECT_FALSE(matches("mmio:*", access(0x3000, false))) << "nothing is there";
}

TEST(ExitMatcher, Conditions) {
  EXPECT_TRUE(matches("mmio:uart.write if value==10", access(kLsr, true, 10)));
  EXPECT_FALSE(matches("mmio:uart.write if value==10", access(kLsr, true, 11)));
  EXPECT_TRUE(matches("sbi:hsm.hart_start if a0==2 && a1 >= 0x80000000", call(0x48534D, 0, {2, 0x8020'0000})));
  EXPECT_FALSE(matches("sbi:hsm.hart_start if a0==2 && a1 >= 0x80000000", call(0x48534D, 0, {2, 0x1000})));
  EXPECT_TRUE(matches("sbi if error!=0", call(kDbcn, 2, {}, -3)));
  EXPECT_FALSE(matches("sbi if error!=0", call(kDbcn, 2)));
  EXPECT_TRUE(matches("csr,sbi if a0<1", call(kDbcn, 2)));
  EXPECT_FALSE(matches("sbi if a0 > 0", call(kDbcn, 2)));
  EXPECT_TRUE(matches("sbi if a0 <= 0", call(kDbcn, 2)));
}

TEST(ExitMatcher, MistakesAreShownByTheirColumn) {
  EXPECT_EQ(error_of("mmoi"), "--trace: column 1: \"mmoi\" is not a kind of exit; did you mean mmio?");
  EXPECT_EQ(error_of("csr,sbi:dbcm.write"), "--trace: column 9: \"dbcm\" is not an SBI extension; did you mean dbcn?");
  EXPECT_EQ(error_of("sbi:dbcn.wriet"),
            "--trace: column 10: \"wriet\" is not a function of \"dbcn\"; did you mean write?");
  EXPECT_EQ(error_of("mmio:uarrt"), "--trace: column 6: \"uarrt\" is not a device of this machine; did you mean uart?");
  EXPECT_EQ(error_of("mmio:tpm"), "--trace: column 6: \"tpm\" is not a device of this machine; give uart, disk0");
  EXPECT_EQ(error_of("mmio:uart.lsr.reed"),
            "--trace: column 15: \"reed\" is neither a load nor a store; give read or write");
  EXPECT_EQ(error_of("mmio:uart.lrs"), "--trace: column 11: \"lrs\" is not a register of \"uart\"; did you mean lsr?");
  EXPECT_EQ(error_of("mmio:uart.reed"),
            "--trace: column 11: \"reed\" is not a register of \"uart\"; did you mean read?");
  EXPECT_EQ(error_of("mmio:disk0.x.read"),
            "--trace: column 12: \"x\" is not a register of \"disk0\"; give its offset, or *");
  EXPECT_EQ(error_of("mmio:disk0.*,mmio:uart.0x9,mmio:*.lsr.write,mmio:disk0.write"), "accepted");
  EXPECT_EQ(error_of("csr:sead"), "--trace: column 5: \"sead\" is not a CSR; did you mean seed?");
  EXPECT_EQ(error_of("system:x"), "--trace: column 8: \"x\" is not a system event; give shutdown, reset, crash");
  EXPECT_EQ(error_of(""), "--trace: column 1: names no exit; give a list like sbi:dbcn.*,mmio:uart,system");
  EXPECT_EQ(error_of("sbi,,csr"), "--trace: column 5: names no exit; give a list like sbi:dbcn.*,mmio:uart,system");
  EXPECT_EQ(error_of("sbi:dbcn."), "--trace: column 10: a name is missing; * stands for all");
  EXPECT_EQ(error_of("sbi:a.b.c"), "--trace: column 5: \"a.b.c\" has 3 parts between dots; at most 2 are allowed");
}

TEST(ExitMatcher, OfALongNameTheBeginIsShown) {
  const std::string shown = "--trace: column 5: \"" + std::string(60, 'x');
  EXPECT_TRUE(error_of("csr:" + std::string(60, 'x')).starts_with(shown + "\" is not a CSR"));
  EXPECT_TRUE(error_of("csr:" + std::string(61, 'x')).starts_with(shown + "...\" is not a CSR"));
}

TEST(ExitMatcher, MistakesInConditionsToo) {
  EXPECT_EQ(error_of("sbi if b0==1"),
            "--trace: column 8: \"b0\" is not a field of these exits; give a0, a1, a2, "
            "a3, a4, a5, eid, fid, error, value");
  EXPECT_EQ(error_of("sbi if a0=1"), "--trace: column 10: an operator is missing; give ==, !=, <, <=, > or >=");
  EXPECT_EQ(error_of("sbi if a0==x"), "--trace: column 12: \"x\" is not a number; give one like 10 or 0x4000");
  EXPECT_EQ(error_of("sbi if a0==1 && "),
            "--trace: column 16: \"\" is not a field of these exits; give a0, a1, a2, a3, a4, a5, eid, fid, error, "
            "value");
  EXPECT_EQ(error_of("all if a0==1"), "--trace: column 8: these exits have nothing to compare; leave out \"if\"");
}

TEST(ExitMatcher, Globs) {
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("a*c", "abc"));
  EXPECT_TRUE(glob_matches("a*b*c", "aXbbYc"));
  EXPECT_FALSE(glob_matches("a*c", "abcd"));
  EXPECT_FALSE(glob_matches("", "a"));
  EXPECT_TRUE(glob_matches("write*", "write"));
}

}  // namespace
}  // namespace rvvmm::exit_matcher_test

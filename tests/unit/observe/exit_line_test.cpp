#include "observe/exit_line.hpp"

#include <gmock/gmock.h>

#include "base/error.hpp"
#include "fakes/one_device.hpp"
#include "observe/exit_log.hpp"
#include "observe/flight_report.hpp"

namespace rvvmm::exit_line_test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ExitRecord load() {
  ExitRecord exit;
  exit.kind = ExitKind::kMmio;
  exit.mmio = {.at = 0x1000'0005, .value = 0x60, .width = 1, .is_write = false};
  return exit;
}

ExitRecord call(uint64_t fid) {
  ExitRecord exit;
  exit.kind = ExitKind::kSbi;
  exit.sbi = {.eid = 0x4442'434E, .fid = fid, .args = {0x40, 0x8020'1000}, .error = -3, .value = 7};
  return exit;
}

ExitRecord signal() {
  ExitRecord exit;
  exit.kind = ExitKind::kInterrupted;
  return exit;
}

TEST(ExitLine, TextTellsAllThatIsKnown) {
  const OneDevice devices{"lsr"};
  const ExitRecord exit = load();
  EXPECT_EQ(
      exit_to_text({.hart = HartId{1}, .at_us = 1234567.8, .pc = 0x8020'0048, .took_us = 0.3, .exit = exit}, devices),
      "[    1.234568] hart 1 pc 0x80200048: mmio uart.lsr read, 1 byte at 0x10000005: 0x60 (0.3 us)\n");
  const ExitRecord kick = signal();
  EXPECT_EQ(exit_to_text({.hart = HartId{0}, .exit = kick}, devices), "[    0.000000] hart 0: interrupted signal\n");
}

TEST(ExitLine, ArgumentsHaveTheirNames) {
  const ExitRecord known = call(0);
  EXPECT_THAT(
      exit_to_text({.hart = HartId{0}, .exit = known}, OneDevice{"lsr"}),
      HasSubstr("sbi dbcn.write(num_bytes=0x40, base_addr_lo=0x80201000, base_addr_hi=0x0): invalid param, 0x7\n"));
  const ExitRecord unknown = call(9);
  EXPECT_THAT(exit_to_text({.hart = HartId{0}, .exit = unknown}, OneDevice{"lsr"}),
              HasSubstr("sbi dbcn.0x9(0x40, 0x80201000, 0x0, 0x0, 0x0, 0x0): invalid param, 0x7\n"));
}

TEST(ExitLine, JsonIsAnObject) {
  const ExitRecord exit = call(2);
  EXPECT_EQ(exit_to_json({.hart = HartId{0}, .at_us = 5, .pc = 0x10, .exit = exit}, OneDevice{"lsr"}),
            R"({"us": 5.0, "hart": 0, "pc": "0x10", "exit": "sbi", "name": "dbcn.write_byte", "args": ["0x40", )"
            R"("0x80201000", "0x0", "0x0", "0x0", "0x0"], "error": -3, "value": "0x7"})"
            "\n");
}

std::string error_of(std::string_view text) {
  try {
    exit_log_to_text(text, "f");
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kBadInput);
    return error.what();
  }
  return "no error";
}

std::string sample_log() {
  const ExitRecord first = load();
  const ExitRecord second = call(2);
  const OneDevice devices{"lsr"};
  return exit_log_head("a \"test\"") +
         exit_to_json({.hart = HartId{0}, .at_us = 1, .registers = {{"a0", 1}, {"a1", 2}}, .exit = first}, devices) +
         exit_to_json({.hart = HartId{0}, .at_us = 11, .registers = {{"a0", 3}, {"a1", 2}}, .exit = second}, devices) +
         "{\"hart\": 0, \"registers\": {\"pc\": \"0x80200000\"}}\n";
}

TEST(ExitLog, IsDrawnWithTimesBeforeItsEnd) {
  ASSERT_TRUE(is_exit_log(sample_log()));
  const std::string text = exit_log_to_text(sample_log(), "f");
  EXPECT_THAT(text, HasSubstr("a \"test\"\n"));
  EXPECT_THAT(text,
              HasSubstr("         -10.0 us  hart 0  mmio uart.lsr read, address 0x10000005, width 1, value 0x60\n"));
  EXPECT_THAT(text, HasSubstr("           0.0 us  hart 0  sbi dbcn.write_byte"));
  EXPECT_THAT(text, HasSubstr("hart 0 at the end:"));
}

TEST(ExitLog, RegistersAreShownWhereTheyChanged) {
  const std::string text = exit_log_to_text(sample_log(), "f");
  EXPECT_THAT(text, HasSubstr("a0       0x1 -> 0x3\n"));
  EXPECT_THAT(text, Not(HasSubstr("a1       0x2 -> 0x2")));
}

TEST(ExitLog, DamageIsFound) {
  const std::string log = sample_log();
  EXPECT_EQ(error_of(log.substr(0, log.size() - 5)), "f: is cut off in line 4; the lines before it are complete");
  EXPECT_THAT(error_of(exit_log_head("x") + "{\"us\": \n"), HasSubstr("f: is damaged: line 2: "));
  EXPECT_THAT(error_of(exit_log_head("x") + "{\"exit\": \"mmio\"}\n"), HasSubstr("f: is damaged: "));
  EXPECT_EQ(error_of("{\"format\": \"rvvmm exits\", \"version\": 2}\n"),
            "f: is of version 2; this rvvmm reads version 1");
  EXPECT_FALSE(is_exit_log("{}"));
}

}  // namespace
}  // namespace rvvmm::exit_line_test

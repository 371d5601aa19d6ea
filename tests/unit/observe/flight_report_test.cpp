#include "observe/flight_report.hpp"

#include <gmock/gmock.h>

#include <format>

#include "base/error.hpp"
#include "observe/exit_log.hpp"

namespace rvvmm::flight_report_test {
namespace {

using ::testing::HasSubstr;

std::string exit_line(double us, uint32_t hart, std::string_view more = "") {
  return std::format(R"({{"us": {}, "hart": {}, "exit": "mmio", "name": "uart.lsr read"{}}})"
                     "\n",
                     us, hart, more);
}

std::string error_of(const std::string& text) {
  try {
    exit_log_to_text(text, "f");
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kBadInput);
    return error.what();
  }
  return "no error";
}

TEST(FlightReport, TimesAreBeforeTheLastExit) {
  const std::string text =
      exit_log_to_text(exit_log_head("a test") + exit_line(10, 0) + exit_line(25.5, 1, ", \"value\": \"0x60\""), "f");
  EXPECT_EQ(text,
            "a test\n"
            "         -15.5 us  hart 0  mmio uart.lsr read\n"
            "           0.0 us  hart 1  mmio uart.lsr read, value 0x60\n");
}

TEST(FlightReport, RegistersAreWhatChangedSinceTheHartsExitBefore) {
  const std::string text =
      exit_log_to_text(exit_log_head("a test") + exit_line(1, 0, R"(, "registers": {"pc": "0x1", "a0": "0x5"})") +
                           exit_line(2, 1, R"(, "registers": {"pc": "0x9", "a0": "0x7"})") +
                           exit_line(3, 0, R"(, "registers": {"pc": "0x2", "a0": "0x5"})") +
                           "{\"hart\": 1, \"registers\": {\"pc\": \"0x3\"}}\n",
                       "f");
  EXPECT_THAT(text, HasSubstr("pc       0x1 -> 0x2\n"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("a0 ")));
  EXPECT_THAT(text, HasSubstr("hart 1 at the end:\n    pc "));
}

TEST(FlightReport, TheConsolesLastLinesAreItsOwn) {
  const std::string text =
      exit_log_to_text(exit_log_head("a test") + exit_line(1, 0) + exit_log_console_line(R"(say "no\yes")") +
                           exit_log_console_line("\x1b[1mend"),
                       "f");
  EXPECT_THAT(text, HasSubstr("read\nthe last lines of the console:\n    say \"no\\yes\"\n    ?[1mend\n"));
}

TEST(FlightReport, WhatACutLeavesIsRefused) {
  const std::string whole = exit_log_head("a test") + exit_line(1, 0) + exit_line(2, 0);
  EXPECT_EQ(error_of(whole.substr(0, whole.size() - 3)), "f: is cut off in line 3; the lines before it are complete");
}

TEST(FlightReport, DamageIsFoundWithItsLine) {
  const std::string head = exit_log_head("a test");
  EXPECT_EQ(error_of(head + "hello\n"), "f: is damaged: line 2: is not valid JSON at byte 1");
  EXPECT_EQ(error_of(head + exit_line(1, 0) + "{\"us\": 1, \"exit\": \"mmio\"}\n"),
            "f: is damaged: line 3: hart is missing");
  EXPECT_EQ(error_of(head + exit_line(1, 0) + "{\"us\": \"1\", \"exit\": \"mmio\"}\n"),
            "f: is damaged: line 3: us is not a number");
  EXPECT_EQ(error_of(head + "{\"us\": 1, \"hart\": -1, \"exit\": 1, \"name\": 2}\n"),
            "f: is damaged: line 2: hart is not a whole number");
  EXPECT_EQ(error_of("{\"format\": \"rvvmm exits\", \"version\": 7, \"why\": \"\"}\n"),
            "f: is of version 7; this rvvmm reads version 1");
}

TEST(FlightReport, NeitherDepthNorWidthOfALineTakesUsDown) {
  const std::string head = exit_log_head("a test");
  EXPECT_EQ(error_of(head + exit_line(1, 0, ", \"x\": " + std::string(100'000, '['))),
            "f: is damaged: line 2: it is nested too deeply");
  std::string wide;
  for (int i = 0; i < 5000; ++i)
    wide += std::format(", \"m{}\": 0", i);
  EXPECT_EQ(error_of(head + exit_line(1, 0, wide)), "f: is damaged: line 2: an object has more than 4096 members");
}

TEST(FlightReport, WhatAFileSaysIsOneLineAndDrivesNoTerminal) {
  const std::string head = exit_log_head("a test");
  const std::string text = exit_log_to_text(head + exit_line(1, 0, R"(, "\u001b[2J": "a\nb\u0007")"), "f");
  EXPECT_THAT(text, HasSubstr(", ?[2J a?b?\n"));
  EXPECT_LT(error_of(head + std::string(100'000, 'x') + "\n").size(), 400U);
}

}  // namespace
}  // namespace rvvmm::flight_report_test

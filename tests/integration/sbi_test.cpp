// SBI as a guest sees it: what each call answers (docs/sbi-conformance.md), calls made in bad faith, and what a call
// must leave alone. The guests are in C: sbi_conformance, sbi_hostile, sbi_hammer, registers.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <sstream>
#include <tuple>

#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::sbi_test {
namespace {

std::vector<std::string> arguments(const std::string& guest, unsigned smp) {
  return {"--kernel", TestEnvironment::get().guest(guest), "--mem", "64M", "--smp", std::to_string(smp), "--no-reboot"};
}

// A line of the guest sbi_conformance, whose sbi_report.c says what the fields are.
struct SbiRow {
  std::string extension;
  std::string call;  ///< extension, function and arguments
  std::string expected;
  std::string seen;
  std::string answered_by;
  std::string verdict;
};

std::vector<SbiRow> rows_in(const std::string& output) {
  std::vector<SbiRow> rows;
  std::istringstream lines{output};
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("sbi\t")) continue;
    std::vector<std::string> fields;
    std::istringstream rest{line};
    for (std::string field; std::getline(rest, field, '\t');)
      fields.push_back(field);
    if (fields.size() != 9) {
      ADD_FAILURE() << "not a row: " << line;
      continue;
    }
    rows.push_back({.extension = fields[1],
                    .call = fields[1] + ", " + fields[2] + ": " + fields[4],
                    .expected = fields[5],
                    .seen = fields[6],
                    .answered_by = fields[7],
                    .verdict = fields[8]});
  }
  return rows;
}

// Off by default, since it serves nobody; here it is to answer.
bool host_forwards_message_proxy() {
  VmProcess list{{"--list", "sbi"}, Console::kNullInput};
  EXPECT_TRUE(list.ends_with(0));
  EXPECT_TRUE(list.expect_match("\nmpxy .* (off|absent) "));
  return list.matches().size() > 1 && list.matches()[1] == "off";
}

class SbiConformance : public KvmTest {};

// What KVM answers is KVM's affair, and differs from kernel to kernel: the runner compares it with the document.
TEST_F(SbiConformance, WhatRvvmmAnswersIsWhatTheSpecificationSays) {
  const bool has_message_proxy = host_forwards_message_proxy();
  std::vector<std::string> all = arguments("sbi_conformance", 2);
  if (has_message_proxy) all.insert(all.end(), {"--sbi", "mpxy=on"});
  VmProcess vm{all, Console::kNullInput};
  ASSERT_TRUE(vm.ends_with(0));
  const std::vector<SbiRow> rows = rows_in(vm.output());
  const size_t said = vm.output().find("\nrows\t");
  ASSERT_NE(said, std::string::npos) << vm.output();
  EXPECT_EQ(rows.size(), std::stoul(vm.output().substr(said + 6), nullptr, 0));

  size_t answered = 0;
  for (const SbiRow& row : rows) {
    if (row.answered_by != "rvvmm") continue;
    EXPECT_NE(row.verdict, "deviates") << row.call << ": expected " << row.expected << ", seen " << row.seen;
    if (row.verdict == "ok") ++answered;
    if (row.extension == "MPXY") {
      EXPECT_EQ(row.verdict, has_message_proxy ? "ok" : "absent") << row.call;
    }
  }
  // The debug console, hypercalls, HSM and the empty ranges are there on every host.
  EXPECT_GE(answered, 80U) << vm.output();

  if (!environment().artifacts.empty())
    std::ofstream{environment().artifacts + "/sbi-conformance.lines"} << vm.output();
}

class SbiHostile : public KvmTest, public ::testing::WithParamInterface<unsigned> {};

// The guest checks the answers; a wrong one is on the console, and its check's number the status.
TEST_P(SbiHostile, CallsAreSurvivedAndAnswered) {
  VmProcess vm{arguments("sbi_hostile", GetParam()), Console::kNullInput};
  EXPECT_TRUE(vm.ends_with(0, kBoot));
}

INSTANTIATE_TEST_SUITE_P(Harts, SbiHostile, ::testing::Values(1U, 2U),
                         [](const auto& instance) { return "smp" + std::to_string(instance.param); });

class SbiHammer : public KvmTest {};

TEST_F(SbiHammer, StarvesNeitherAnotherHartNorTheConsoleNorSignals) {
  VmProcess vm{arguments("sbi_hammer", 2)};
  ASSERT_TRUE(vm.expect("...."));
  // The other hart counts on: a digit a tenth of a second.
  for (const char* digit : {"3", "4", "5", "6", "7", "8", "9", "0"})
    ASSERT_TRUE(vm.expect(digit, std::chrono::seconds{10})) << "a hart that calls without a pause starves another";
  ASSERT_TRUE(vm.send("x"));
  ASSERT_TRUE(vm.expect("X"));
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(128 + SIGTERM, std::chrono::seconds{30}));
}

TEST_F(SbiHammer, CanBeStoppedWithOneHart) {
  VmProcess vm{arguments("sbi_hammer", 1), Console::kNullInput};
  ASSERT_TRUE(vm.expect("...."));
  vm.signal(SIGTERM);
  EXPECT_TRUE(vm.ends_with(128 + SIGTERM, std::chrono::seconds{30}));
}

class Registers : public KvmTest {};

// The guest compares; what changed is on the console.
TEST_F(Registers, AnExitChangesNothingButWhatItGivesBack) {
  VmProcess vm{arguments("registers", 2), Console::kNullInput};
  EXPECT_TRUE(vm.ends_with(0));
  const auto says = [&vm](const char* text) { return vm.output().find(text) != std::string::npos; };
  const auto& [zkr, v] = std::tie(environment().host_zkr, environment().host_v);
  if (!zkr.empty()) {
    EXPECT_EQ(says(", with seed"), zkr == "true") << vm.output();
  }
  if (!v.empty()) {
    EXPECT_EQ(says(", with vector registers"), v == "true") << vm.output();
  }
}

}  // namespace
}  // namespace rvvmm::test::sbi_test

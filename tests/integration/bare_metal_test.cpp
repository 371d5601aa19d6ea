// Exits that Linux does not make, by guests in assembly that check themselves: tests/guests.
#include <gtest/gtest.h>

#include <algorithm>
#include <format>
#include <optional>
#include <regex>

#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::bare_metal_test {
namespace {

struct BareMetalCase {
  const char* guest;
  int status;
  unsigned smp = 1;
};

void PrintTo(const BareMetalCase& test, std::ostream* out) {
  *out << test.guest;
}

class BareMetal : public KvmTest, public ::testing::WithParamInterface<BareMetalCase> {};

TEST_P(BareMetal, EndsWithTheStatusItAsksFor) {
  const auto& [guest, status, smp] = GetParam();
  VmProcess vm{{"--kernel", environment().guest(guest), "--mem", "64M", "--smp", std::to_string(smp), "--no-reboot"}};
  EXPECT_TRUE(vm.ends_with(status));
}

std::string name_of_case(const ::testing::TestParamInfo<BareMetalCase>& instance) {
  return std::string{instance.param.guest} + "_smp" + std::to_string(instance.param.smp);
}

INSTANTIATE_TEST_SUITE_P(Shutdown, BareMetal,
                         ::testing::Values(BareMetalCase{"shutdown", 0}, BareMetalCase{"shutdown", 0, 4},
                                           BareMetalCase{"shutdown_vendor_reason", 0},
                                           BareMetalCase{"system_failure", 81},
                                           BareMetalCase{"reset_system_failure", 81}, BareMetalCase{"reset_cold", 80},
                                           BareMetalCase{"reset_warm", 80}, BareMetalCase{"reset_warm", 80, 4}),
                         name_of_case);

INSTANTIATE_TEST_SUITE_P(Finisher, BareMetal,
                         ::testing::Values(BareMetalCase{"finisher_pass", 0}, BareMetalCase{"finisher_reset", 80},
                                           BareMetalCase{"finisher_fail_0", 255}, BareMetalCase{"finisher_fail_1", 1},
                                           BareMetalCase{"finisher_fail_42", 42},
                                           BareMetalCase{"finisher_fail_255", 255},
                                           BareMetalCase{"finisher_fail_256", 255},
                                           BareMetalCase{"finisher_fail_65535", 255}),
                         name_of_case);

// These end by the finisher's "pass" only when all their checks hold; a failed check's number is the status.
INSTANTIATE_TEST_SUITE_P(Checks, BareMetal,
                         ::testing::Values(BareMetalCase{"hello", 0}, BareMetalCase{"hello_image", 0},
                                           BareMetalCase{"mmio_widths", 0}, BareMetalCase{"mmio_widths_paged", 0},
                                           BareMetalCase{"ebreak", 0}, BareMetalCase{"smp_start", 0},
                                           BareMetalCase{"smp_start", 0, 2}, BareMetalCase{"smp_start", 0, 4}),
                         name_of_case);

// An illegal instruction is the guest's own affair. On the 6.12 host KVM sends the vCPU to an address of its own
// (docs/testing.md): without paging that ends in a report like any exit after which the guest cannot go on, with paging
// in a guest that faults for ever.
class IllegalInstruction : public KvmTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(IllegalInstruction, IsTheGuestsOwnTrapButOnLinux612) {
  if (environment().host_kernel == "6.12" && std::string{GetParam()} == "illegal_paged") {
    GTEST_SKIP() << "KVM of Linux 6.12 loses the vCPU";
  }
  VmProcess vm{{"--kernel", environment().guest(GetParam()), "--mem", "64M"}};
  const std::optional<int> status = vm.wait(kSoon);
  ASSERT_TRUE(status.has_value()) << vm.output() << vm.errors();
  if (environment().host_kernel == "6.12" && *status == 82) {
    EXPECT_NE(vm.errors().find("hart 0"), std::string::npos) << vm.errors();
    return;
  }
  EXPECT_EQ(*status, 0) << vm.output() << vm.errors();
}

INSTANTIATE_TEST_SUITE_P(Guests, IllegalInstruction, ::testing::Values("csr", "illegal", "illegal_paged"),
                         [](const auto& instance) { return std::string{instance.param}; });

class BareMetalConsole : public KvmTest {};

// KVM hands `seed` to user space where the host's CPUs have Zkr; elsewhere it is an illegal instruction, which 6.12
// cannot deliver. What the guest does next, and how it ends, is for IllegalInstruction to look at.
TEST_F(BareMetalConsole, SeedIsAnsweredWhereTheHostHasZkr) {
  const std::string& zkr = environment().host_zkr;
  if (zkr.empty()) GTEST_SKIP() << "RVVMM_HOST_ZKR does not say whether this host has Zkr";
  if (zkr == "false" && environment().host_kernel == "6.12") GTEST_SKIP() << "KVM of Linux 6.12 loses the vCPU";
  VmProcess vm{{"--kernel", environment().guest("csr"), "--mem", "64M"}};
  EXPECT_TRUE(vm.expect(zkr == "true" ? "guest: seed\n" : "guest: no seed\n"));
}

TEST_F(BareMetalConsole, SmpStartFindsEveryHart) {
  VmProcess vm{{"--kernel", environment().guest("smp_start"), "--mem", "64M", "--smp", "8"}};
  EXPECT_TRUE(vm.expect("guest: harts 0000000000000008"));
  EXPECT_TRUE(vm.ends_with(0));
}

TEST_F(BareMetalConsole, DebugConsoleHoldsAgainstHostileArguments) {
  VmProcess vm{{"--kernel", environment().guest("dbcn"), "--mem", "64M"}};
  ASSERT_TRUE(vm.expect("dbcn: written whole"));
  ASSERT_TRUE(vm.expect(std::string(8192, 'z')));
  ASSERT_TRUE(vm.expect("input?"));
  ASSERT_TRUE(vm.send("hello"));
  EXPECT_TRUE(vm.ends_with(0));
}

TEST_F(BareMetalConsole, InterruptOfInputThatNobodyTakesComesAgain) {
  const std::string& irqchip = environment().host_irqchip;
  if (irqchip.empty() || irqchip == "none")
    GTEST_SKIP() << "only known to have an AIA where RVVMM_HOST_IRQCHIP says so";
  VmProcess vm{{"--kernel", environment().guest("aia_lost_msi"), "--mem", "64M"}};
  ASSERT_TRUE(vm.expect("guest: input?"));
  ASSERT_TRUE(vm.send("x"));
  ASSERT_TRUE(vm.expect("guest: dropped"));
  EXPECT_TRUE(vm.ends_with(0));
}

TEST_F(BareMetalConsole, PolledUartLosesAndDoublesNothing) {
  VmProcess vm{{"--kernel", environment().guest("uart_poll"), "--mem", "64M"}};
  ASSERT_TRUE(vm.expect("guest: input?\n"));
  std::string text(16384, '\0');
  uint64_t sum = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    // Every value but Ctrl-A, which is the terminal's own key (not on a pipe, but a test should not depend on it).
    const auto byte = static_cast<unsigned char>((i * 7919 + i / 251) % 255 + 1);
    text[i] = static_cast<char>(byte == 1 ? 2 : byte);
    sum = sum * 31 + static_cast<unsigned char>(text[i]);
  }
  char expected[17];
  std::snprintf(expected, sizeof expected, "%016llx", static_cast<unsigned long long>(sum));
  ASSERT_TRUE(vm.send(text, kBoot));
  ASSERT_TRUE(vm.expect_match("guest: checksum ([0-9a-f]{16})", kBoot));
  EXPECT_EQ(vm.matches()[1], expected);
  std::string alphabet;
  for (size_t i = 0; i < 16384; ++i)
    alphabet += static_cast<char>('a' + i % 26);
  EXPECT_TRUE(vm.expect("guest: output " + alphabet + "\n"));
  EXPECT_TRUE(vm.ends_with(0));
}

// What KVM cannot emulate is the guest's end, or on some kernels and machines the guest's own trap.
class UnemulableAccess : public KvmTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(UnemulableAccess, EndsInOneReportOrTheGuestsOwnTrap) {
  VmProcess vm{{"--kernel", environment().guest(GetParam()), "--mem", "64M"}};
  const std::optional<int> status = vm.wait(kSoon);
  ASSERT_TRUE(status.has_value()) << vm.output() << vm.errors();
  if (*status == 0) {
    EXPECT_NE(vm.output().find("guest: own trap"), std::string::npos) << vm.output();
    return;
  }
  EXPECT_EQ(*status, 82) << vm.errors();
  // One report: which hart, where, and the registers (s4 of the guest is in them).
  const std::string report = vm.errors();
  EXPECT_NE(report.find("hart 0"), std::string::npos) << report;
  EXPECT_NE(report.find("pc"), std::string::npos) << report;
  EXPECT_NE(report.find("1122334455667788"), std::string::npos) << report;
  EXPECT_EQ(report.find("1122334455667788"), report.rfind("1122334455667788")) << report;
  EXPECT_EQ(report.find("vlenb"), std::string::npos) << "the guest has switched vector registers off: " << report;
}

INSTANTIATE_TEST_SUITE_P(Mmio, UnemulableAccess,
                         ::testing::Values("amo_mmio", "lr_mmio", "fp_mmio", "misaligned_mmio", "fetch_mmio"),
                         [](const auto& instance) { return std::string{instance.param}; });

struct FaultCase {
  const char* guest;
  const char* line;  // a regular expression, behind pc
};

void PrintTo(const FaultCase& test, std::ostream* out) {
  *out << test.guest;
}

class FaultReport : public KvmTest, public ::testing::WithParamInterface<FaultCase> {};

TEST_P(FaultReport, NamesInstructionAddressAndWhatIsThere) {
  VmProcess vm{{"--kernel", environment().guest(GetParam().guest), "--mem", "64M"}};
  const std::optional<int> status = vm.wait(kSoon);
  ASSERT_TRUE(status.has_value()) << vm.output() << vm.errors();
  if (*status == 0) GTEST_SKIP() << "a trap of the guest's own here";
  EXPECT_EQ(*status, 82) << vm.errors();
  const std::string line = vm.errors().substr(0, vm.errors().find('\n'));
  EXPECT_TRUE(std::regex_search(line, std::regex{std::string{"hart 0: pc 0x[0-9a-f]+: .*"} + GetParam().line + "$"}))
      << line;
}

INSTANTIATE_TEST_SUITE_P(
    Mmio, FaultReport,
    ::testing::Values(
        FaultCase{"amo_mmio", R"(outside RAM .*: amoadd\.w a0, s4, \(s3\) at 0x10000000, which is uart\.thr)"},
        FaultCase{"misaligned_mmio",
                  R"(not aligned to its width: lw a0, 1\(s3\) at 0x10000001, which is uart\.[a-z]+)"},
        FaultCase{"stray_pointer", R"(: ld a0, 3\(s5\) at 0x4013, where nothing is: most likely a stray pointer)"},
        FaultCase{"stray_jump", R"(: a jump to 0x4010, where nothing is: most likely a stray pointer)"}),
    [](const auto& instance) { return std::string{instance.param.guest}; });

TEST_F(BareMetalConsole, AtomicOnADeviceIsAGuestFault) {
  VmProcess vm{{"--kernel", environment().guest("amo_mmio"), "--mem", "64M"}};
  EXPECT_TRUE(vm.ends_with(82));
}

// What the guest has filled them with, KVM has kept and rvvmm read.
TEST_F(BareMetalConsole, ReportHasTheVectorRegistersOfTheGuest) {
  if (environment().host_v != "true") GTEST_SKIP() << "RVVMM_HOST_V does not say that this host has vector registers";
  VmProcess vm{{"--kernel", environment().guest("vector_report"), "--mem", "64M"}};
  ASSERT_TRUE(vm.expect_match("guest: vlenb ([0-9a-f]{16})\n"));
  const std::string vlenb = vm.matches()[1];
  ASSERT_TRUE(vm.ends_with(82));
  std::string expected =
      "  vstart  0000000000000000  vl      0000000000000003  vtype   00000000000000d1\n"
      "  vcsr    0000000000000005  vlenb   " +
      vlenb + "\n";
  const size_t size = std::stoul(vlenb, nullptr, 16);
  constexpr size_t kMostBytes = 64;
  for (size_t number = 0; number < 32; ++number) {
    expected += std::format("  v{:<3} ", number);
    for (size_t i = 0; i < std::min(size, kMostBytes); ++i)
      expected += std::format("{:02x}", (i + 8 * number) % 256);
    expected += size > kMostBytes ? "...\n" : "\n";
  }
  EXPECT_NE(vm.errors().find(expected), std::string::npos) << vm.errors() << "has not\n" << expected;
}

}  // namespace
}  // namespace rvvmm::test::bare_metal_test

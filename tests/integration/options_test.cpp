// Options seen from outside: interrupt controllers and why they were chosen, device trees, threads, log files.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <tuple>

#include "process_facts.hpp"
#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::options_test {
namespace {

class Options : public KvmTest {
 protected:
  std::vector<std::string> hello(std::vector<std::string> more) const {
    std::vector<std::string> all{"--kernel", environment().guest("hello"), "--mem", "64M"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }

  bool host_has_aia() const { return environment().host_irqchip != "none"; }
};

// The interrupt controller of a host of known kind, with the reason, to the end of the line.
std::string controller_on(const TestEnvironment& host, const std::string& irqchip) {
  if (irqchip == "plic") return "PLIC in user space\n";
  // Before 7.0 guest interrupt files are not even asked for (docs/kvm-quirks.md).
  const bool asks_for_files = host.host_kernel != "6.12";
  if (host.host_irqchip == "none") {
    return std::string{"PLIC in user space (no in-kernel AIA"} +
           (asks_for_files ? " with guest interrupt files" : ", interrupt files in software") +
           ": KVM_CREATE_DEVICE: No such device)\n";
  }
  if (host.host_irqchip == "emul") {
    return "in-kernel AIA, interrupt files in software (this host has no guest interrupt files)\n";
  }
  return asks_for_files
             ? "in-kernel AIA with guest interrupt files\n"
             : "in-kernel AIA, interrupt files in software (guest interrupt files of this kernel can leave a "
               "hart asleep)\n";
}

/// The host's pool of huge pages of 2 MiB, with at least `pages` in it for as long as this lives.
class HugePagePool {
 public:
  explicit HugePagePool(unsigned pages) : before_(size()), wanted_(pages) {
    if (before_ < pages) std::ofstream{kFile} << pages;
  }
  ~HugePagePool() {
    if (before_ < wanted_) std::ofstream{kFile} << before_;
  }
  HugePagePool(const HugePagePool&) = delete;
  HugePagePool& operator=(const HugePagePool&) = delete;
  bool filled() const { return size() >= wanted_; }

 private:
  static constexpr const char* kFile = "/proc/sys/vm/nr_hugepages";
  static unsigned size() {
    unsigned pages = 0;
    std::ifstream{kFile} >> pages;
    return pages;
  }
  unsigned before_;
  unsigned wanted_;
};

/// `text` as a part of a test's name.
std::string identifier(std::string text) {
  std::ranges::replace_if(text, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return text;
}

class IrqchipOption : public Options, public ::testing::WithParamInterface<const char*> {};

TEST_P(IrqchipOption, TakesWhatTheHostHasAndSaysWhy) {
  const std::string irqchip = GetParam();
  const TestEnvironment& host = environment();
  const bool known = !host.host_irqchip.empty() && !host.host_kernel.empty();
  if (irqchip == "aia" && !known) GTEST_SKIP() << "nobody said what this host has";
  VmProcess vm{hello({"--irqchip", irqchip, "--log-level", "kvm=info,vmm=info"})};
  if (irqchip == "aia" && !host_has_aia()) {
    EXPECT_TRUE(vm.ends_with(69));
    EXPECT_EQ(vm.error_lines(), 1U) << vm.errors();
    EXPECT_NE(vm.errors().find("--irqchip: no in-kernel AIA"), std::string::npos) << vm.errors();
    return;
  }
  EXPECT_TRUE(vm.ends_with(0));
  const std::string chosen = known ? controller_on(host, irqchip) : "";
  EXPECT_NE(vm.errors().find("info vmm: interrupt controller: " + chosen), std::string::npos)
      << "not " << chosen << vm.errors();
  EXPECT_EQ(vm.error_lines(), 1U) << vm.errors();
}

INSTANTIATE_TEST_SUITE_P(Irqchips, IrqchipOption, ::testing::Values("auto", "aia", "plic"),
                         [](const auto& instance) { return std::string{instance.param}; });

// The guest resets once: what it then finds is zeroed RAM of the same kind, with its image in it.
class RamOption : public Options, public ::testing::WithParamInterface<const char*> {};

TEST_P(RamOption, RunsAGuestAndResetsIt) {
  const std::string how = GetParam();
  const HugePagePool pool{how.contains("hugepages=2M") ? 32U : 0U};
  if (!pool.filled()) GTEST_SKIP() << "this host gives no 32 huge pages";
  VmProcess vm{{"--kernel", environment().guest("reboot"), "--mem", "64M," + how}};
  ASSERT_TRUE(vm.expect("guest: booted"));
  ASSERT_TRUE(vm.send("c"));
  ASSERT_TRUE(vm.expect("guest: booted"));
  ASSERT_TRUE(vm.send("o"));
  EXPECT_TRUE(vm.ends_with(0)) << vm.errors();
  EXPECT_EQ(vm.errors(), "");
}

INSTANTIATE_TEST_SUITE_P(Kinds, RamOption,
                         ::testing::Values("shared", "prefault", "hugepages=off,merge", "hugepages=2M",
                                           "hugepages=2M,shared,prefault"),
                         [](const auto& instance) { return identifier(instance.param); });

class DumpDtb : public Options, public ::testing::WithParamInterface<std::tuple<const char*, unsigned>> {};

TEST_P(DumpDtb, WritesATreeThatBoots) {
  const std::string irqchip = std::get<0>(GetParam());
  const std::string smp = std::to_string(std::get<1>(GetParam()));
  if (irqchip == "aia" && (environment().host_irqchip.empty() || !host_has_aia())) GTEST_SKIP() << "no AIA here";
  const TemporaryFile dumped;
  VmProcess dump{hello({"--smp", smp, "--irqchip", irqchip, "--dump-dtb", dumped.path()})};
  ASSERT_TRUE(dump.ends_with(0));
  EXPECT_EQ(dump.output(), "") << "--dump-dtb runs the guest";
  const std::string tree = dumped.content();
  ASSERT_GE(tree.size(), 40U);
  EXPECT_EQ(tree.substr(0, 4), std::string("\xd0\x0d\xfe\xed"));
  VmProcess boot{hello({"--smp", smp, "--irqchip", irqchip, "--dtb", dumped.path()})};
  EXPECT_TRUE(boot.ends_with(0));
  // The runner lets dtc look at these (docs/testing.md).
  if (!environment().artifacts.empty()) {
    std::filesystem::copy_file(dumped.path(), environment().artifacts + "/" + irqchip + "-smp" + smp + ".dtb",
                               std::filesystem::copy_options::overwrite_existing);
  }
}

INSTANTIATE_TEST_SUITE_P(Irqchips, DumpDtb,
                         ::testing::Combine(::testing::Values("auto", "aia", "plic"), ::testing::Values(1U, 4U)),
                         [](const auto& instance) {
                           return std::string{std::get<0>(instance.param)} + "_smp" +
                                  std::to_string(std::get<1>(instance.param));
                         });

TEST_F(Options, EachHartHasAThreadWithItsNameOnItsCpu) {
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  const std::string affinity = cpus > 1 ? "0,1" : "0";
  VmProcess vm{
      {"--kernel", environment().guest("wfi_forever"), "--mem", "64M", "--smp", "4", "--cpu-affinity", affinity},
      Console::kNullInput};
  ASSERT_TRUE(vm.expect("guest: ready"));
  const auto threads = thread_cpus(vm.pid());
  for (int hart = 0; hart < 4; ++hart) {
    const std::string name = "vcpu" + std::to_string(hart);
    ASSERT_TRUE(threads.contains(name)) << "no thread " << name;
    EXPECT_EQ(threads.at(name), cpus > 1 && hart % 2 == 1 ? "1" : "0") << name;
  }
}

// Half of what KVM allows takes 5 s on an emulated host, all of it 14.
TEST_F(Options, HundredsOfHartsNeedNoHelpFromTheShell) {
  const auto lower_the_soft_limit = [] {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = 256;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) _exit(126);
  };
  VmProcess vm{{"--kernel", environment().guest("shutdown"), "--mem", "64M", "--smp", "512"},
               Console::kNullInput,
               lower_the_soft_limit};
  EXPECT_TRUE(vm.ends_with(0, 2 * kSoon));
  EXPECT_EQ(vm.errors(), "");
}

TEST_F(Options, AnAbsentCpuIsRefused) {
  VmProcess vm{hello({"--cpu-affinity", "100000"})};
  const std::optional<int> status = vm.wait(kSoon);
  ASSERT_TRUE(status.has_value());
  EXPECT_NE(*status, 0);
  EXPECT_EQ(vm.error_lines(), 1U) << vm.errors();
}

TEST_F(Options, LogsGoToTheFileAndNotToTheConsole) {
  const TemporaryFile log;
  VmProcess vm{hello({"--log-level", "vmm=debug,kvm=debug,loader=debug", "--log-file", log.path()})};
  EXPECT_TRUE(vm.ends_with(0));
  EXPECT_EQ(vm.errors(), "");
  EXPECT_NE(log.content(), "");
  EXPECT_EQ(vm.output().find("loader"), std::string::npos);
}

TEST_F(Options, TraceTellsEveryExitAndDebugTheSetUp) {
  const TemporaryFile log;
  VmProcess vm{hello({"--log-level", "debug,kvm=trace", "--log-file", log.path()})};
  EXPECT_TRUE(vm.ends_with(0));
  const std::string text = log.content();
  EXPECT_TRUE(text.contains("uart at 0x10000000")) << text;
  EXPECT_TRUE(text.contains("extension dbcn answers")) << text;
  EXPECT_TRUE(text.contains("hart 0: its thread ends")) << text;
  // One store to the UART for each byte of "guest: hello".
  EXPECT_TRUE(text.contains(": mmio write, 1 byte at 0x10000000: 0x68")) << text;
  EXPECT_TRUE(text.contains("trace kvm: hart 0: pc 0x80200")) << text;
}

TEST_F(Options, NothingOfOursIsOnTheConsoleByDefault) {
  VmProcess vm{hello({})};
  EXPECT_TRUE(vm.ends_with(0));
  EXPECT_EQ(vm.errors(), "");
  EXPECT_EQ(vm.output(), "guest: hello\nguest: pass\n");
}

TEST_F(Options, TheCommandLineWinsOverTheConfig) {
  const TemporaryFile config{"# a comment\nkernel = " + environment().guest("smp_start") + "\nsmp = 2\nmem = 64M\n"};
  VmProcess from_file{{"--config", config.path()}};
  EXPECT_TRUE(from_file.expect("guest: harts 0000000000000002"));
  EXPECT_TRUE(from_file.ends_with(0));
  VmProcess overridden{{"--config", config.path(), "--smp", "3"}};
  EXPECT_TRUE(overridden.expect("guest: harts 0000000000000003"));
  EXPECT_TRUE(overridden.ends_with(0));
}

}  // namespace
}  // namespace rvvmm::test::options_test

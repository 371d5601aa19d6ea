#include "vmm/boot/fdt_image.hpp"

#include <gmock/gmock.h>
#include <libfdt.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "devices/platform/test_finisher.hpp"
#include "fakes/recorders.hpp"
#include "unit/vmm/boot/boot_files.hpp"

namespace rvvmm::fdt_image_test {
namespace {

using namespace rvvmm::testing;
using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class FakeUart final : public Device {
 public:
  std::string_view name() const noexcept override { return "uart"; }
  IoStatus read(uint64_t, std::span<std::byte>) noexcept override { return IoStatus::kOk; }
  IoStatus write(uint64_t, std::span<const std::byte>) noexcept override { return IoStatus::kOk; }
  void describe(FdtBuilder& fdt, const FdtSlot& slot) const override {
    const auto scope = fdt.node("serial", slot.window.base.value);
    fdt.string("compatible", "ns16550a");
    fdt.reg({slot.window});
    fdt.u32("clock-frequency", 3'686'400);
    if (!slot.interrupts.empty()) fdt.cells("interrupts", slot.interrupts);
  }
};

void describe_plic(FdtBuilder& fdt, std::span<const uint32_t> hart_intcs, uint32_t own_phandle) {
  const auto scope = fdt.node("interrupt-controller", 0xc00'0000);
  fdt.string("compatible", "sifive,plic-1.0.0");
  fdt.reg({{.base = Gpa{0xc00'0000}, .size = 0x400'0000}});
  fdt.u32("#address-cells", 0);
  fdt.u32("#interrupt-cells", 1);
  fdt.empty("interrupt-controller");
  std::vector<uint32_t> contexts;
  for (const uint32_t intc : hart_intcs)
    contexts.insert(contexts.end(), {intc, 9});
  fdt.cells("interrupts-extended", contexts);
  fdt.u32("riscv,ndev", 63);
  fdt.u32("phandle", own_phandle);
}

const FdtAia kAia{.layout = {.imsic_base = Gpa{0x2800'0000}, .aplic_base = Gpa{0xd00'0000}, .sources = 127},
                  .properties = {.kind = IrqchipKind::kAiaHardware, .ids = 255}};

/// The tree as its reader has it, free room and all.
std::vector<std::byte> whole(DeviceTree tree) {
  tree.bytes.resize(tree.size);
  return std::move(tree.bytes);
}

/// A machine with one UART and a finisher.
struct Machine {
  uint32_t harts = 1;
  std::variant<FdtAia, FdtPlic> irqchip = kAia;
  std::string bootargs = "console=ttyS0";
  std::optional<GpaRange> initrd = std::nullopt;
  CpuDescription cpu{.isa_extensions = {"i", "m", "a", "f", "d", "c", "h", "zicbom", "zicsr", "smaia", "ssaia", "sstc"},
                     .satp_mode = 9,
                     .cbom_block_size = 64,
                     .cboz_block_size = 0,
                     .cbop_block_size = 0,
                     .timebase_hz = 10'000'000};

  std::vector<std::byte> tree() const { return whole(made()); }

  DeviceTree made() const {
    const FakeUart uart;
    RecordingFinish listener;
    const TestFinisher finisher{listener};
    const std::array devices{
        FdtDevice{.device = &uart, .window = {.base = Gpa{0x1000'0000}, .size = 0x100}, .gsi = Gsi{10}},
        FdtDevice{.device = &uart, .window = {.base = Gpa{0x1000'1000}, .size = 0x100}, .gsi = std::nullopt},
        FdtDevice{.device = &finisher, .window = {.base = Gpa{0x10'0000}, .size = 0x1000}, .gsi = std::nullopt}};
    return build_fdt({.harts = harts,
                      .cpu = cpu,
                      .ram = {.base = kRamBase, .size = 1024_GiB},
                      .bootargs = bootargs,
                      .initrd = initrd,
                      .irqchip = irqchip,
                      .devices = devices,
                      .stdout_path = "/soc/serial@10000000"});
  }
};

const FdtPlic kPlic{.describe = describe_plic};

/// The bytes of a property; nullopt where there is no such node or property.
std::optional<std::string> property(std::span<const std::byte> dtb, const char* path, const char* name) {
  const int node = fdt_path_offset(dtb.data(), path);
  int size = 0;
  const void* value = node < 0 ? nullptr : fdt_getprop(dtb.data(), node, name, &size);
  if (value == nullptr) return std::nullopt;
  return std::string{static_cast<const char*>(value), static_cast<size_t>(size)};
}

/// A property that is one string.
std::string text(std::span<const std::byte> dtb, const char* path, const char* name) {
  const auto value = property(dtb, path, name);
  return value && !value->empty() ? value->substr(0, value->size() - 1) : "<none>";
}

std::vector<uint32_t> cells(std::span<const std::byte> dtb, const char* path, const char* name) {
  std::vector<uint32_t> out;
  const std::string value = property(dtb, path, name).value_or("");
  for (size_t at = 0; at + 4 <= value.size(); at += 4) {
    out.push_back(fdt32_ld(reinterpret_cast<const fdt32_t*>(value.data() + at)));
  }
  return out;
}

TEST(FdtImage, IsaHasBothFormsAndNoExtensionThatAGuestMustNotSee) {
  const auto dtb = Machine{}.tree();
  EXPECT_EQ(text(dtb, "/cpus/cpu@0", "riscv,isa"), "rv64imafdc_zicbom_zicsr_ssaia_sstc");
  EXPECT_EQ(text(dtb, "/cpus/cpu@0", "riscv,isa-base"), "rv64i");
  EXPECT_EQ(property(dtb, "/cpus/cpu@0", "riscv,isa-extensions"), "i\0m\0a\0f\0d\0c\0zicbom\0zicsr\0ssaia\0sstc\0"s);
}

TEST(FdtImage, SsaiaIsListedOnlyWithAia) {
  const auto dtb = Machine{.irqchip = kPlic}.tree();
  EXPECT_THAT(text(dtb, "/cpus/cpu@0", "riscv,isa"), Not(HasSubstr("ssaia")));
  EXPECT_THAT(*property(dtb, "/cpus/cpu@0", "riscv,isa-extensions"), Not(HasSubstr("ssaia")));
}

TEST(FdtImage, CpuSaysWhatItIs) {
  const auto dtb = Machine{.harts = 5}.tree();
  EXPECT_EQ(text(dtb, "/cpus/cpu@4", "mmu-type"), "riscv,sv48");
  EXPECT_THAT(cells(dtb, "/cpus/cpu@4", "reg"), ElementsAre(4));
  EXPECT_THAT(cells(dtb, "/cpus/cpu@4", "riscv,cbom-block-size"), ElementsAre(64));
  EXPECT_EQ(property(dtb, "/cpus/cpu@4", "riscv,cboz-block-size"), std::nullopt);
  EXPECT_THAT(cells(dtb, "/cpus", "timebase-frequency"), ElementsAre(10'000'000));
  EXPECT_EQ(property(dtb, "/cpus/cpu@5", "reg"), std::nullopt);
  EXPECT_EQ(cells(dtb, "/cpus/cpu-map/cluster0/core4", "cpu"), cells(dtb, "/cpus/cpu@4", "phandle"));
}

TEST(FdtImage, WhatHasNoAddressLiesBesideTheBusAndRefersToIt) {
  for (const auto& irqchip : {std::variant<FdtAia, FdtPlic>{kAia}, std::variant<FdtAia, FdtPlic>{kPlic}}) {
    const auto dtb = Machine{.irqchip = irqchip}.tree();
    EXPECT_EQ(text(dtb, "/poweroff", "compatible"), "syscon-poweroff");
    EXPECT_EQ(text(dtb, "/reboot", "compatible"), "syscon-reboot");
    const auto finisher = cells(dtb, "/soc/test@100000", "phandle");
    EXPECT_EQ(finisher.size(), 1U);
    EXPECT_EQ(cells(dtb, "/poweroff", "regmap"), finisher);
    EXPECT_EQ(cells(dtb, "/reboot", "regmap"), finisher);
    EXPECT_NE(cells(dtb, "/soc", "interrupt-parent"), finisher);
  }
}

TEST(FdtImage, MemoryMayBeLargerThanFourGiB) {
  EXPECT_THAT(cells(Machine{}.tree(), "/memory@80000000", "reg"), ElementsAre(0, 0x8000'0000, 0x100, 0));
}

/// Some eighty extensions, more than any host has today.
CpuDescription cpu_with_everything() {
  CpuDescription cpu;
  cpu.satp_mode = 10;
  cpu.cbom_block_size = cpu.cboz_block_size = cpu.cbop_block_size = 64;
  for (int i = 0; i < 80; ++i)
    cpu.isa_extensions.push_back(std::format("zextension{}", i));
  return cpu;
}

size_t used(std::span<const std::byte> dtb) {
  return fdt_off_dt_strings(dtb.data()) + fdt_size_dt_strings(dtb.data());
}

/// As U-Boot does with the tree that it was given: larger by as much as is free behind it, more nodes and properties.
void edit_in_place(std::span<std::byte> dtb) {
  ASSERT_EQ(fdt_check_full(dtb.data(), dtb.size()), 0);
  ASSERT_EQ(fdt_totalsize(dtb.data()), dtb.size());
  const int node = fdt_add_subnode(dtb.data(), 0, "reserved-memory");
  ASSERT_GE(node, 0);
  const std::vector<std::byte> value(kDtbRoom - 1_KiB);
  EXPECT_EQ(fdt_setprop(dtb.data(), node, "filling", value.data(), static_cast<int>(value.size())), 0);
  EXPECT_EQ(fdt_check_full(dtb.data(), dtb.size()), 0);
}

TEST(FdtImage, FirmwareHasRoomToEditTheTreeWhereItLies) {
  auto dtb = Machine{}.tree();
  EXPECT_GE(dtb.size() - used(dtb), 64_KiB);
  edit_in_place(dtb);
}

TEST(FdtImage, TheRoomOfALargeTreeEndsWhereLinuxStopsReading) {
  auto dtb = Machine{.bootargs = std::string(2_MiB - 20_KiB, 'x')}.tree();
  EXPECT_EQ(dtb.size(), kLargestDtb);
  EXPECT_EQ(fdt_check_full(dtb.data(), dtb.size()), 0);
}

TEST(FdtImage, HartsUpToWhatKvmAllowsFitIntoWhatLinuxMaps) {
  EXPECT_LE(Machine{.harts = 1024}.tree().size(), kLargestDtb);
}

TEST(FdtImage, TreeTooLargeForLinuxNamesTheMostHartsThatFit) {
  Machine machine{.harts = 1024, .cpu = cpu_with_everything()};
  for (const auto& irqchip : {std::variant<FdtAia, FdtPlic>{kAia}, std::variant<FdtAia, FdtPlic>{kPlic}}) {
    machine.irqchip = irqchip;
    machine.harts = 1024;
    try {
      machine.tree();
      FAIL() << "nothing was refused";
    } catch (const SetupError& error) {
      EXPECT_EQ(error.status(), ExitStatus::kUsage);
      const std::string line = error.what();
      EXPECT_THAT(line, StartsWith("--smp 1024: makes a device tree of "));
      machine.harts = static_cast<uint32_t>(std::stoul(line.substr(line.rfind("--smp ") + 6)));
    }
    const size_t size = machine.made().bytes.size();
    EXPECT_LE(size, kLargestDtb);
    EXPECT_GT(size, kLargestDtb - 64_KiB) << "the advice is too modest: " << machine.harts;
  }
}

TEST(FdtImage, CommandLineTooLongForLinuxIsNamed) {
  try {
    Machine{.harts = 2, .bootargs = std::string(3_MiB, 'x')}.tree();
    FAIL() << "nothing was refused";
  } catch (const SetupError& error) {
    EXPECT_THAT(error.what(), StartsWith("--append: is too long"));
  }
}

TEST(FdtImage, ChosenTellsTheKernelWhatItStartsFrom) {
  const auto dtb = Machine{.initrd = GpaRange{.base = Gpa{0x1'2345'6000}, .size = 10'000}}.tree();
  EXPECT_EQ(text(dtb, "/chosen", "bootargs"), "console=ttyS0");
  EXPECT_EQ(text(dtb, "/chosen", "stdout-path"), "/soc/serial@10000000");
  EXPECT_EQ(text(dtb, "/aliases", "serial0"), "/soc/serial@10000000");
  EXPECT_THAT(cells(dtb, "/chosen", "linux,initrd-start"), ElementsAre(1, 0x2345'6000));
  EXPECT_THAT(cells(dtb, "/chosen", "linux,initrd-end"), ElementsAre(1, 0x2345'6000 + 10'000));
}

TEST(FdtImage, NothingIsSaidOfWhatIsNotThere) {
  const auto dtb = Machine{.bootargs = ""}.tree();
  EXPECT_EQ(property(dtb, "/chosen", "bootargs"), std::nullopt);
  EXPECT_EQ(property(dtb, "/chosen", "linux,initrd-start"), std::nullopt);
  EXPECT_EQ(property(dtb, "/soc/serial@10001000", "interrupts"), std::nullopt);
}

/// A bus that passes on the interrupts of others, and says of whom.
class FakeBridge final : public Device {
 public:
  std::string_view name() const noexcept override { return "bridge"; }
  IoStatus read(uint64_t, std::span<std::byte>) noexcept override { return IoStatus::kOk; }
  IoStatus write(uint64_t, std::span<const std::byte>) noexcept override { return IoStatus::kOk; }
  void describe(FdtBuilder& fdt, const FdtSlot& slot) const override {
    const auto scope = fdt.node("bridge", slot.window.base.value);
    fdt.cells("inputs", slot.interrupts);
    fdt.u32("parent", slot.interrupt_parent);
    fdt.u32("messages", slot.msi_parent);
  }
};

TEST(FdtImage, ABusLearnsOfItsInputsAndOfWhoTakesThem) {
  const CpuDescription cpu{.isa_extensions = {"i", "m", "a"}, .satp_mode = 9, .timebase_hz = 10'000'000};
  const FakeBridge bridge;
  const std::array devices{
      FdtDevice{.device = &bridge, .window = {.base = Gpa{0x3000'0000}, .size = 1_MiB}, .gsi = Gsi{32}, .inputs = 3}};
  const auto tree = [&](const std::variant<FdtAia, FdtPlic>& irqchip) {
    return whole(build_fdt({.harts = 1,
                            .cpu = cpu,
                            .ram = {.base = kRamBase, .size = 1_GiB},
                            .bootargs = {},
                            .initrd = {},
                            .irqchip = irqchip,
                            .devices = devices,
                            .stdout_path = {}}));
  };
  const auto aia = tree(kAia);
  EXPECT_THAT(cells(aia, "/soc/bridge@30000000", "inputs"), ElementsAre(32, 4, 33, 4, 34, 4));
  EXPECT_EQ(cells(aia, "/soc/bridge@30000000", "parent"), cells(aia, "/soc/interrupt-controller@d000000", "phandle"));
  EXPECT_EQ(cells(aia, "/soc/bridge@30000000", "messages"),
            cells(aia, "/soc/interrupt-controller@28000000", "phandle"));
  const auto plic = tree(kPlic);
  EXPECT_THAT(cells(plic, "/soc/bridge@30000000", "inputs"), ElementsAre(32, 33, 34));
  EXPECT_EQ(cells(plic, "/soc/bridge@30000000", "parent"), cells(plic, "/soc/interrupt-controller@c000000", "phandle"));
  EXPECT_THAT(cells(plic, "/soc/bridge@30000000", "messages"), ElementsAre(0));
}

TEST(FdtImage, EachTreeHasSeedsOfItsOwn) {
  const auto one = Machine{}.tree();
  const auto two = Machine{}.tree();
  EXPECT_EQ(property(one, "/chosen", "rng-seed")->size(), 64U);
  EXPECT_EQ(property(one, "/chosen", "kaslr-seed")->size(), 8U);
  EXPECT_NE(property(one, "/chosen", "rng-seed"), property(two, "/chosen", "rng-seed"));
  EXPECT_NE(property(one, "/chosen", "kaslr-seed"), property(two, "/chosen", "kaslr-seed"));
}

TEST(FdtImage, AiaInterruptsAreLevelHigh) {
  EXPECT_THAT(cells(Machine{}.tree(), "/soc/serial@10000000", "interrupts"), ElementsAre(10, 4));
}

TEST(FdtImage, PlicInterruptsAreANumber) {
  const auto dtb = Machine{.irqchip = kPlic}.tree();
  EXPECT_THAT(cells(dtb, "/soc/serial@10000000", "interrupts"), ElementsAre(10));
  EXPECT_EQ(cells(dtb, "/soc", "interrupt-parent"), cells(dtb, "/soc/interrupt-controller@c000000", "phandle"));
}

TEST(FdtImage, AplicSendsMessagesToTheImsicsOfAllHarts) {
  const auto dtb = Machine{.harts = 2}.tree();
  const char* imsics = "/soc/interrupt-controller@28000000";
  const char* aplic = "/soc/interrupt-controller@d000000";
  EXPECT_EQ(cells(dtb, "/soc", "interrupt-parent"), cells(dtb, aplic, "phandle"));
  EXPECT_EQ(cells(dtb, aplic, "msi-parent"), cells(dtb, imsics, "phandle"));
  EXPECT_THAT(cells(dtb, aplic, "riscv,num-sources"), ElementsAre(127));
  EXPECT_THAT(cells(dtb, imsics, "riscv,num-ids"), ElementsAre(255));
  EXPECT_THAT(cells(dtb, imsics, "reg"), ElementsAre(0, 0x2800'0000, 0, 0x2000));
  const uint32_t first = cells(dtb, "/cpus/cpu@0/interrupt-controller", "phandle").at(0);
  const uint32_t second = cells(dtb, "/cpus/cpu@1/interrupt-controller", "phandle").at(0);
  EXPECT_THAT(cells(dtb, imsics, "interrupts-extended"), ElementsAre(first, 9, second, 9));
}

class InFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/rvvmm-fdt-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::system(std::format("rm -rf {}", folder_).c_str()); }

  std::string folder_;
};

/// The device tree compiler reads trees as strictly as anything.
class DeviceTreeCompiler : public InFolder {};

TEST_F(DeviceTreeCompiler, FindsNothingToWarnAbout) {
  if (std::system("dtc --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no dtc here";
  const GpaRange initrd{.base = kRamBase + 64_MiB, .size = 10'000};
  for (const uint32_t harts : {1U, 5U, 64U}) {
    for (const auto& irqchip : {std::variant<FdtAia, FdtPlic>{kAia}, std::variant<FdtAia, FdtPlic>{kPlic}}) {
      dump_dtb(folder_ + "/tree", Machine{.harts = harts, .irqchip = irqchip, .initrd = initrd}.made());
      for (const char* form : {"dts", "dtb"}) {
        const std::string command =
            std::format("cd {} && dtc -I dtb -O {} -o out tree 2>warnings && cat warnings >all", folder_, form);
        EXPECT_EQ(std::system(command.c_str()), 0);
        std::ostringstream warnings;
        warnings << std::ifstream{folder_ + "/warnings"}.rdbuf();
        EXPECT_EQ(warnings.str(), "") << harts << " harts";
      }
    }
  }
}

class DumpDtb : public InFolder {};

TEST_F(DumpDtb, WritesTheTree) {
  const DeviceTree made = Machine{}.made();
  std::ofstream{folder_ + "/tree"} << std::string(100'000, 'x');
  dump_dtb(folder_ + "/tree", made);
  const auto dtb = whole(made);
  std::ostringstream content;
  content << std::ifstream{folder_ + "/tree"}.rdbuf();
  EXPECT_EQ(content.str(), (std::string{reinterpret_cast<const char*>(dtb.data()), dtb.size()}));
}

std::string dump_refusal(const std::string& path, ExitStatus status) {
  try {
    dump_dtb(path, Machine{}.made());
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), status);
    return error.what();
  }
  return "";
}

TEST_F(DumpDtb, NamesAFileThatCannotBeWritten) {
  EXPECT_THAT(dump_refusal(folder_ + "/none/tree", ExitStatus::kUsage),
              StartsWith(std::format("--dump-dtb {}/none/tree: cannot be written: ", folder_)));
  EXPECT_THAT(dump_refusal(folder_, ExitStatus::kUsage), HasSubstr("cannot be written: "));
}

TEST_F(DumpDtb, LeavesNoPartOfATreeBehind) {
  const std::string path = folder_ + "/tree";
  const auto tree = Machine{}.made();
  const pid_t child = ::fork();
  if (child == 0) {
    // A disk that is full after 100 bytes.
    const rlimit limit{.rlim_cur = 100, .rlim_max = 100};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::signal(SIGXFSZ, SIG_IGN);
    try {
      dump_dtb(path, tree);
    } catch (const SetupError& error) {
      ::_exit(error.status() == ExitStatus::kInternal && ::access(path.c_str(), F_OK) != 0 ? 0 : 1);
    }
    ::_exit(2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(DumpDtb, NamesAFullDisk) {
  if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full here";
  EXPECT_THAT(dump_refusal("/dev/full", ExitStatus::kInternal),
              StartsWith("--dump-dtb /dev/full: cannot be written: "));
}

class UserDtb : public ::testing::Test {
 protected:
  UserDtb() {
    fdt_.u32("#address-cells", 2);
    fdt_.u32("#size-cells", 2);
  }

  static std::vector<std::byte> load(std::string_view content, const UserDtbInputs& inputs) {
    const MemoryFile made{content};
    return whole(load_user_dtb(InputFile{"--dtb", made.path(), "a device tree (.dtb)"}, inputs));
  }
  static std::string as_text(const std::vector<std::byte>& dtb) {
    return {reinterpret_cast<const char*>(dtb.data()), dtb.size()};
  }
  std::string finish() { return as_text(fdt_.finish()); }
  static std::string refusal(std::string_view content) {
    const std::string line = bad_input([&] { load(content, {.initrd = kInitrd, .bootargs = "new"}); });
    EXPECT_THAT(line, StartsWith("--dtb /proc/self/fd/"));
    return line;
  }

  static constexpr GpaRange kInitrd{.base = Gpa{0x1'0000'0000}, .size = 0x1000};
  FdtBuilder fdt_;
};

TEST_F(UserDtb, ChosenIsAddedWhereItLacks) {
  fdt_.string("model", "mine");
  const auto dtb = load(finish(), {.initrd = kInitrd, .bootargs = "quiet"});
  EXPECT_EQ(text(dtb, "/", "model"), "mine");
  EXPECT_EQ(text(dtb, "/chosen", "bootargs"), "quiet");
  EXPECT_THAT(cells(dtb, "/chosen", "linux,initrd-start"), ElementsAre(1, 0));
  EXPECT_THAT(cells(dtb, "/chosen", "linux,initrd-end"), ElementsAre(1, 0x1000));
}

TEST_F(UserDtb, WhatTheMachineDoesNotKnowStaysAsItIs) {
  {
    const auto chosen = fdt_.node("chosen");
    fdt_.string("bootargs", "theirs");
    fdt_.string("stdout-path", "/serial");
  }
  {
    const auto memory = fdt_.node("memory", 0x8000'0000);
    fdt_.reg({{.base = kRamBase, .size = 0x1000}});
  }
  const auto dtb = load(finish(), {.initrd = kInitrd, .bootargs = {}});
  EXPECT_EQ(text(dtb, "/chosen", "bootargs"), "theirs");
  EXPECT_EQ(text(dtb, "/chosen", "stdout-path"), "/serial");
  EXPECT_THAT(cells(dtb, "/memory@80000000", "reg"), ElementsAre(0, 0x8000'0000, 0, 0x1000));
}

TEST_F(UserDtb, AppendReplacesTheBootargs) {
  {
    const auto chosen = fdt_.node("chosen");
    fdt_.string("bootargs", "theirs");
  }
  const std::string longest(4000, 'a');
  EXPECT_EQ(text(load(finish(), {.initrd = {}, .bootargs = longest}), "/chosen", "bootargs"), longest);
}

TEST_F(UserDtb, TreeOfOursIsTakenBack) {
  auto made = Machine{.harts = 5}.tree();
  auto taken = load(as_text(made), {.initrd = {}, .bootargs = {}});
  EXPECT_EQ(text(load(as_text(made), {.initrd = {}, .bootargs = "quiet"}), "/chosen", "bootargs"), "quiet");
  // But for the seeds it is the same.
  for (auto* const tree : {&made, &taken}) {
    const int chosen = fdt_path_offset(tree->data(), "/chosen");
    EXPECT_EQ(fdt_delprop(tree->data(), chosen, "rng-seed"), 0);
    EXPECT_EQ(fdt_delprop(tree->data(), chosen, "kaslr-seed"), 0);
    EXPECT_EQ(fdt_pack(tree->data()), 0);
    tree->resize(fdt_totalsize(tree->data()));
  }
  EXPECT_TRUE(made == taken);
}

TEST_F(UserDtb, HasRoomToBeEditedWhereItLies) {
  auto dtb = load(finish(), {.initrd = kInitrd, .bootargs = "quiet"});
  EXPECT_GE(dtb.size() - used(dtb), 64_KiB);
  edit_in_place(dtb);
}

TEST_F(UserDtb, KeepsTheRoomThatItsMakerLeft) {
  std::string roomy = finish();
  roomy.resize(300'000);
  fdt_set_totalsize(roomy.data(), 300'000);
  EXPECT_EQ(load(roomy, {.initrd = kInitrd, .bootargs = "quiet"}).size(), 300'000U);
}

TEST_F(UserDtb, EachBootHasSeedsOfItsOwn) {
  const std::string dumped = as_text(Machine{}.tree());
  for (const std::string& tree : {dumped, finish()}) {
    const auto one = load(tree, {.initrd = {}, .bootargs = {}});
    const auto two = load(tree, {.initrd = {}, .bootargs = {}});
    for (const auto& [name, size] : {std::pair{"rng-seed", 64U}, {"kaslr-seed", 8U}}) {
      ASSERT_TRUE(property(one, "/chosen", name).has_value());
      EXPECT_EQ(property(one, "/chosen", name)->size(), size);
      EXPECT_NE(property(one, "/chosen", name), property(two, "/chosen", name));
    }
  }
  const std::span given = std::as_bytes(std::span{dumped});
  EXPECT_NE(property(load(dumped, {.initrd = {}, .bootargs = {}}), "/chosen", "rng-seed"),
            property(given, "/chosen", "rng-seed"));
}

TEST_F(UserDtb, InitrdOfAnotherBootIsForgotten) {
  const auto made = Machine{.initrd = kInitrd}.tree();
  const auto without = load(as_text(made), {.initrd = {}, .bootargs = {}});
  EXPECT_EQ(property(without, "/chosen", "linux,initrd-start"), std::nullopt);
  EXPECT_EQ(property(without, "/chosen", "linux,initrd-end"), std::nullopt);
  const auto another = load(as_text(made), {.initrd = GpaRange{.base = Gpa{0x9000'0000}, .size = 16}, .bootargs = {}});
  EXPECT_THAT(cells(another, "/chosen", "linux,initrd-start"), ElementsAre(0, 0x9000'0000));
  EXPECT_THAT(cells(another, "/chosen", "linux,initrd-end"), ElementsAre(0, 0x9000'0010));
}

/// With a user's own tree whose file has a name of its own here.
std::vector<std::string> oddities(std::string_view content, uint32_t harts, std::string_view bootargs = {}) {
  const MemoryFile made{content};
  const InputFile file{"--dtb", made.path(), "a device tree (.dtb)"};
  std::vector<std::string> lines =
      oddities_of(load_user_dtb(file, {.initrd = {}, .bootargs = bootargs}), bootargs, &file, harts);
  for (std::string& line : lines)
    line.erase(0, line.find(": ") + 2);
  return lines;
}

TEST_F(UserDtb, HartsThatTheMachineHasNotAreSaid) {
  const std::string two = as_text(Machine{.harts = 2}.tree());
  EXPECT_THAT(oddities(two, 2), ElementsAre());
  EXPECT_THAT(oddities(two, 1), ElementsAre("describes 2 harts, and --smp 1 makes 1"));
  EXPECT_THAT(oddities(two, 4), ElementsAre("describes 2 harts, and --smp 4 makes 4"));
  EXPECT_THAT(oddities(finish(), 1), ElementsAre("has no /cpus: Linux does not boot with it"));
}

TEST_F(UserDtb, HartsThatAreDisabledAreNone) {
  {
    const auto cpus = fdt_.node("cpus");
    for (const char* status : {"okay", "disabled"}) {
      const auto cpu = fdt_.node("cpu", status[0] == 'o' ? 0 : 1);
      fdt_.string("device_type", "cpu");
      fdt_.string("status", status);
    }
    const auto map = fdt_.node("cpu-map");
  }
  EXPECT_THAT(oddities(finish(), 1), ElementsAre());
}

TEST_F(UserDtb, CommandLineThatLinuxCutsIsSaid) {
  constexpr std::string_view kWhat =
      "the guest's command line has 1024 bytes; Linux takes the first 1023 or 2047 of "
      "them, by version, and silently drops the rest";
  const std::string tree = as_text(Machine{}.tree());
  EXPECT_THAT(oddities(tree, 1, std::string(1023, 'x')), ElementsAre());
  EXPECT_THAT(oddities(tree, 1, std::string(1024, 'x')), ElementsAre(kWhat));
  // The tree's own.
  EXPECT_THAT(oddities(as_text(Machine{.bootargs = std::string(1024, 'x')}.tree()), 1), ElementsAre(kWhat));
  const std::string much(1024, 'x');
  EXPECT_THAT(oddities_of(Machine{.bootargs = much}.made(), much, nullptr, 1),
              ElementsAre(std::string{"--append: "} + std::string{kWhat}));
  EXPECT_THAT(oddities_of(Machine{.bootargs = ""}.made(), "", nullptr, 2), ElementsAre());
}

TEST_F(UserDtb, NewerVersionThanThereIsIsRefused) {
  std::string content = finish();
  fdt_set_version(content.data(), 99);
  EXPECT_THAT(refusal(content), HasSubstr("is a device tree of version 99; 17 is the newest known"));
}

TEST_F(UserDtb, FileThatIsNoTreeIsRefused) {
  EXPECT_THAT(refusal("/dts-v1/; / { compatible = \"something longer than a header\"; };"),
              HasSubstr("is not a flattened device tree; give a .dtb, such as dtc makes from source"));
  EXPECT_THAT(refusal("x"), HasSubstr("is not a flattened device tree"));
}

TEST_F(UserDtb, EveryCutIsRefused) {
  const std::string whole = finish();
  for (size_t size = 1; size < whole.size(); ++size)
    refusal(whole.substr(0, size));
  EXPECT_THAT(refusal(whole.substr(0, whole.size() - 1)),
              HasSubstr(std::format("is cut short: its header says {} bytes, the file has {}", whole.size(),
                                    whole.size() - 1)));
}

TEST_F(UserDtb, DamagedStructureIsRefused) {
  std::string content = finish();
  const auto structure = fdt_off_dt_struct(content.data());
  put(content, structure, uint32_t{0xffff'ffff});
  EXPECT_THAT(refusal(content), HasSubstr("is a damaged device tree: FDT_ERR_"));
}

TEST_F(UserDtb, LargestTreeIsTwoMiB) {
  EXPECT_THAT(refusal(finish() + std::string(2_MiB, '\0')), HasSubstr("is larger than 2 MiB"));
  FdtBuilder large;
  large.bytes("padding", std::vector<std::byte>(2_MiB - 200));
  EXPECT_THAT(refusal(as_text(large.finish())),
              HasSubstr("is larger than 2 MiB together with what rvvmm adds to its /chosen"));
}

}  // namespace
}  // namespace rvvmm::fdt_image_test

#include "vmm/options/cli.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <format>
#include <fstream>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "vmm/options/option_table.hpp"

namespace rvvmm::cli_test {
namespace {

using log::Level;
using log::Module;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

ParseResult parse(const std::vector<std::string>& args) {
  std::vector<const char*> pointers;
  for (const std::string& arg : args)
    pointers.push_back(arg.c_str());
  return parse_command_line(pointers);
}

/// With "--kernel Image" in front.
Config config_of(std::vector<std::string> args) {
  args.insert(args.begin(), {"--kernel", "Image"});
  return std::get<Config>(parse(args));
}

/// The message with which `args` are refused.
std::string refusal_of(const std::vector<std::string>& args) {
  try {
    parse(args);
  } catch (const SetupError& problem) {
    const std::string message = problem.what();
    EXPECT_EQ(problem.status(), ExitStatus::kUsage);
    EXPECT_FALSE(message.contains('\n')) << message;
    EXPECT_FALSE(message.ends_with('.')) << message;
    return message;
  }
  return "accepted";
}

class ConfigFile : public ::testing::Test {
 protected:
  ConfigFile() {
    std::string name = ::testing::TempDir() + "rvvmm-cli-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  ~ConfigFile() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ / "x.conf"; }
  std::string write(std::string_view text) const {
    std::ofstream(path(), std::ios::binary) << text;
    return path();
  }
  std::string refusal(std::string_view text) const { return refusal_of({"--config", write(text)}); }

  std::filesystem::path folder_;
};

TEST(CommandLine, DefaultsAreAsDocumented) {
  const Config config = config_of({});
  EXPECT_EQ(config.kernel, "Image");
  EXPECT_TRUE(config.initrds.empty());
  EXPECT_EQ(config.smp, 1U);
  EXPECT_EQ(config.mem_bytes, 256_MiB);
  EXPECT_EQ(config.irqchip, IrqchipChoice::kAuto);
  EXPECT_FALSE(config.no_reboot);
  EXPECT_TRUE(config.cpu_affinity.empty());
  EXPECT_TRUE(config.log_levels.empty());
}

TEST(CommandLine, EveryOptionArrives) {
  const Config config = config_of({"--initrd",    "i",
                                   "--append",    "a b",
                                   "--smp",       "4",
                                   "--mem",       "1G",
                                   "--irqchip",   "plic",
                                   "--dtb",       "d",
                                   "--dump-dtb",  "o",
                                   "--no-reboot", "--cpu-affinity",
                                   "1,3",         "--log-level",
                                   "kvm=trace",   "--log-file",
                                   "l",           "--guest-log-limit",
                                   "3K"});
  EXPECT_THAT(config.initrds, ElementsAre("i"));
  EXPECT_EQ(config.append, "a b");
  EXPECT_EQ(config.smp, 4U);
  EXPECT_EQ(config.mem_bytes, 1_GiB);
  EXPECT_EQ(config.irqchip, IrqchipChoice::kPlic);
  EXPECT_EQ(config.dtb, "d");
  EXPECT_EQ(config.dump_dtb, "o");
  EXPECT_TRUE(config.no_reboot);
  EXPECT_THAT(config.cpu_affinity, ElementsAre(1, 3));
  EXPECT_THAT(config.log_levels, ElementsAre(Pair(Module::kKvm, Level::kTrace)));
  EXPECT_EQ(config.log_file, "l");
  EXPECT_EQ(config.guest_log_limit, 3_KiB);
}

TEST(CommandLine, InitrdMayBeGivenSeveralTimes) {
  EXPECT_THAT(config_of({"--initrd", "one", "-i", "two"}).initrds, ElementsAre("one", "two"));
}

TEST(CommandLine, KernelFormatIsAutoOrRaw) {
  EXPECT_EQ(config_of({}).kernel_format, KernelFormat::kAuto);
  EXPECT_EQ(config_of({"--kernel-format", "raw"}).kernel_format, KernelFormat::kRaw);
  EXPECT_EQ(config_of({"--kernel-format", "auto"}).kernel_format, KernelFormat::kAuto);
  EXPECT_EQ(refusal_of({"--kernel", "Image", "--kernel-format", "elf"}),
            "--kernel-format: \"elf\" is not a kernel format that can be chosen; give auto or raw");
}

TEST(CommandLine, ShortFormsAndEqualsSigns) {
  const auto config = std::get<Config>(parse({"-k", "Image", "-iroot", "-p", "quiet", "-c2", "--mem=64"}));
  EXPECT_EQ(config.kernel, "Image");
  EXPECT_THAT(config.initrds, ElementsAre("root"));
  EXPECT_EQ(config.append, "quiet");
  EXPECT_EQ(config.smp, 2U);
  EXPECT_EQ(config.mem_bytes, 64_MiB);
}

TEST(CommandLine, ConsoleIsADeviceAndAPlace) {
  EXPECT_EQ(config_of({}).console, ConsoleChoice{});
  EXPECT_EQ(config_of({"--console", "uart"}).console, ConsoleChoice{});
  EXPECT_EQ(config_of({"--console", "virtio"}).console, (ConsoleChoice{.device = ConsoleDevice::kVirtio}));
  EXPECT_EQ(config_of({"--console", "virtio,pty"}).console,
            (ConsoleChoice{.device = ConsoleDevice::kVirtio, .where = ConsoleWhere::kPty}));
  EXPECT_EQ(config_of({"--console", "pty,virtio"}).console,
            (ConsoleChoice{.device = ConsoleDevice::kVirtio, .where = ConsoleWhere::kPty}));
  EXPECT_EQ(config_of({"--console", "socket=/tmp/a,,b"}).console,
            (ConsoleChoice{.where = ConsoleWhere::kSocket, .path = "/tmp/a,b"}));
  EXPECT_EQ(config_of({"--console", "uart,file=log"}).console,
            (ConsoleChoice{.where = ConsoleWhere::kFile, .path = "log"}));
  EXPECT_EQ(config_of({"--console=null"}).console, (ConsoleChoice{.where = ConsoleWhere::kNull}));
}

TEST(CommandLine, ConsoleThatIsNoneIsExplained) {
  const auto refusal = [](const char* text) { return refusal_of({"--kernel", "Image", "--console", text}); };
  EXPECT_EQ(
      refusal("serial"),
      "--console: \"serial\" is not a console; give uart or virtio, or where it goes: pty, socket=PATH, file=PATH or "
      "null");
  EXPECT_EQ(refusal("").find("--console: \"\" is not a console"), 0U);
  EXPECT_EQ(refusal("virtio,pty,null"), "--console: pty and null: it can go to one place only; leave one out");
  EXPECT_EQ(refusal("pty,virtio,uart"), "--console: virtio and uart: it is one device only; leave one out");
  EXPECT_EQ(refusal("serial,pty").find("--console: \"serial\" is not a console; give uart"), 0U);
  EXPECT_EQ(refusal("socket=a,socket=b"), "--console: socket: given twice");
  EXPECT_EQ(refusal("virtio,socket"), "--console: socket: has no value; write socket=VALUE");
  EXPECT_EQ(refusal("file="), "--console: file: has no value; write file=VALUE");
  EXPECT_EQ(refusal("pty=/dev/pts/1"), "--console: pty: takes no value");
  EXPECT_EQ(refusal("virtio,sock=a"), "--console: \"sock=a\": unknown suboption; did you mean socket?");
}

TEST(CommandLine, AppendMayBeEmptyAndMayLookLikeAnOption) {
  EXPECT_EQ(config_of({"--append", ""}).append, "");
  EXPECT_EQ(config_of({"--append=--smp"}).append, "--smp");
  EXPECT_EQ(config_of({"--append", "--single -- x=\"y z\""}).append, "--single -- x=\"y z\"");
}

TEST(CommandLine, NoKernelSaysWhatToGive) {
  EXPECT_EQ(refusal_of({}), "--kernel: missing; give a RISC-V kernel image, for example --kernel Image");
  EXPECT_THAT(refusal_of({"--kernel", ""}), HasSubstr("--kernel: \"\" is not a file"));
}

TEST(CommandLine, UnknownOptionSuggestsTheNearest) {
  EXPECT_EQ(refusal_of({"--kernal", "Image"}), "--kernal: unknown option; did you mean --kernel?");
  EXPECT_EQ(refusal_of({"--kernal=Image"}), "--kernal: unknown option; did you mean --kernel?");
  EXPECT_EQ(refusal_of({"--frobnicate"}), "--frobnicate: unknown option; see rvvmm --help");
  EXPECT_THAT(refusal_of({"-z"}), HasSubstr("-z: unknown option"));
}

TEST(CommandLine, AbbreviationsAreRefused) {
  EXPECT_THAT(refusal_of({"--kern", "Image"}), HasSubstr("--kern: unknown option; did you mean"));
}

TEST(CommandLine, LongOptionWithOneDashIsExplained) {
  EXPECT_EQ(refusal_of({"-kernel", "Image"}), "-kernel: unknown option; did you mean --kernel?");
  EXPECT_EQ(refusal_of({"-k", "Image", "-mem", "1G"}), "-mem: unknown option; did you mean --mem?");
}

TEST(CommandLine, StrayWordIsRefusedWithAdvice) {
  EXPECT_EQ(refusal_of({"Image"}), "\"Image\": is not an option; to boot a kernel, give --kernel FILE");
  EXPECT_THAT(refusal_of({"--kernel", "Image", "--", "x"}), HasSubstr("is not an option"));
  EXPECT_THAT(refusal_of({""}), HasSubstr("is not an option"));
}

TEST(CommandLine, MissingArgumentIsNamed) {
  EXPECT_EQ(refusal_of({"--kernel"}), "--kernel: its argument is missing; see rvvmm --help");
  EXPECT_THAT(refusal_of({"--kernel", "--smp", "2"}), HasSubstr("--kernel: its argument is missing before --smp"));
  EXPECT_THAT(refusal_of({"--kernel", "-c", "2"}), HasSubstr("--kernel: its argument is missing"));
  EXPECT_THAT(refusal_of({"--smp="}), HasSubstr("--smp: its argument is missing"));
  EXPECT_THAT(refusal_of({"-m"}), HasSubstr("its argument is missing"));
}

TEST(CommandLine, ShortSwitchesMayBeBundled) {
  EXPECT_TRUE(std::holds_alternative<PrintText>(parse({"-hV"})));
  EXPECT_TRUE(std::holds_alternative<PrintText>(parse({"-Vh"})));
  EXPECT_EQ(std::get<Config>(parse({"-kImage", "-c2"})).smp, 2U);
  EXPECT_THAT(refusal_of({"-hz"}), HasSubstr("-hz: unknown option"));
  EXPECT_EQ(refusal_of({"-help"}), "-help: unknown option; did you mean --help?");
  EXPECT_THAT(refusal_of({"-hk"}), HasSubstr("its argument is missing"));
}

TEST(CommandLine, AnEndlessOneIsRefusedAtOnce) {
  std::vector<std::string> args{"--kernel", "Image"};
  while (args.size() < 1024)
    args.insert(args.end(), {"--panic-pattern", "x"});
  EXPECT_EQ(std::get<Config>(parse(args)).panic_patterns.size(), 511U);
  args.emplace_back("--no-reboot");
  EXPECT_EQ(refusal_of(args),
            "\"--no-reboot\": word 1025 of the command line, which may have 1024; put the rest in a file of "
            "--config");
}

TEST(CommandLine, SwitchTakesNoArgument) {
  EXPECT_EQ(refusal_of({"--no-reboot=yes"}), "--no-reboot: is a switch and takes no argument");
}

TEST(CommandLine, GivenTwiceIsRefused) {
  EXPECT_EQ(refusal_of({"--smp", "1", "-c", "2"}), "--smp: given twice");
  EXPECT_EQ(refusal_of({"--no-reboot", "--no-reboot"}), "--no-reboot: given twice");
}

TEST(CommandLine, BadHartCountsAreRefused) {
  for (const char* text : {"0", "-1", "1e9", "4x", "", " 4", "0x4", "4294967296", "99999999999999999999"}) {
    EXPECT_THAT(refusal_of({"--kernel", "Image", "--smp", text}), HasSubstr("is not a number of harts")) << text;
  }
  EXPECT_EQ(config_of({"--smp", "4294967295"}).smp, 4294967295U);
}

TEST(CommandLine, SizesHaveUnits) {
  EXPECT_EQ(config_of({"--mem", "512"}).mem_bytes, 512_MiB);
  EXPECT_EQ(config_of({"--mem", "8192K"}).mem_bytes, 8_MiB);
  EXPECT_EQ(config_of({"--mem", "3g"}).mem_bytes, 3_GiB);
  EXPECT_EQ(config_of({"--mem", "2T"}).mem_bytes, 2048_GiB);
  EXPECT_EQ(config_of({"--mem", "1G"}).ram, RamOptions{});
  const Config backed = config_of({"--mem", "size=1G,shared"});
  EXPECT_EQ(backed.mem_bytes, 1_GiB);
  EXPECT_TRUE(backed.ram.shared);
  EXPECT_EQ(config_of({"--mem", "4K"}).mem_bytes, 4_KiB);
  EXPECT_EQ(config_of({"--mem", "18014398509481980K"}).mem_bytes, 18014398509481980ULL << 10);
}

TEST(CommandLine, BadSizesAreRefused) {
  for (const char* text : {"12Q", "-1", "", "M", "1.5G", "1GB", "0x100", "1e3", " 1", "+1"}) {
    EXPECT_THAT(refusal_of({"--kernel", "Image", "--mem", text}), HasSubstr("is not a size")) << text;
  }
  for (const char* text : {"0", "0G", "1K", "4095K", "5K"}) {
    EXPECT_THAT(refusal_of({"--kernel", "Image", "--mem", text}), HasSubstr("multiple of 4K")) << text;
  }
  for (const char* text : {"16777216T", "17592186044416", "18446744073709551616K", "99999999999999999999"}) {
    EXPECT_THAT(refusal_of({"--kernel", "Image", "--mem", text}), HasSubstr("64 bits can hold; give less, such as 4G"))
        << text;
  }
}

TEST(CommandLine, IrqchipIsOneOfThree) {
  EXPECT_EQ(config_of({"--irqchip", "aia"}).irqchip, IrqchipChoice::kAia);
  EXPECT_EQ(config_of({"--irqchip", "auto"}).irqchip, IrqchipChoice::kAuto);
  EXPECT_EQ(refusal_of({"--kernel", "Image", "--irqchip", "gic"}),
            "--irqchip: \"gic\" is not an interrupt controller; give auto, aia or plic");
}

/// "dbcn=off mpxy=on" of what was chosen.
std::string chosen(const SbiChoices& choices) {
  std::string text;
  for (size_t row = 0; row < kSbiSwitches.size(); ++row) {
    if (choices.chosen(row) == SbiSetting::kLeave) continue;
    text += std::format("{}{}={}", text.empty() ? "" : " ", kSbiSwitches[row].name,
                        choices.chosen(row) == SbiSetting::kOn ? "on" : "off");
  }
  return text;
}

TEST(CommandLine, SbiExtensionsAreSwitchedOneByOne) {
  EXPECT_EQ(chosen(config_of({}).sbi), "");
  EXPECT_EQ(chosen(config_of({"--sbi", "mpxy=on,dbcn=off"}).sbi), "dbcn=off mpxy=on");
  for (const SbiSwitch& extension : kSbiSwitches) {
    const std::string off = std::format("{}=off", extension.name);
    EXPECT_EQ(chosen(config_of({"--sbi", off}).sbi), off);
  }
}

TEST(CommandLine, BadSbiChoicesSayWhatIsRight) {
  const auto refuse = [](const char* text) { return refusal_of({"--kernel", "Image", "--sbi", text}); };
  EXPECT_EQ(refuse("dbnc=off"), "--sbi: \"dbnc\" is not an SBI extension that can be switched; did you mean dbcn?");
  EXPECT_EQ(refuse("x=off"), "--sbi: \"x\" is not an SBI extension that can be switched; see rvvmm --list sbi");
  EXPECT_THAT(refuse("=off"), HasSubstr("\"\" is not an SBI extension"));
  EXPECT_THAT(refuse("DBCN=off"), HasSubstr("\"DBCN\" is not an SBI extension"));
  EXPECT_EQ(refuse("dbcn"), "--sbi: \"dbcn\" is not a choice; give dbcn=on or dbcn=off");
  for (const char* text : {"dbcn=", "dbcn=no", "dbcn=on=off", "dbcn=ON", "dbcn=off "})
    EXPECT_THAT(refuse(text), HasSubstr("is not a choice; give dbcn=on or dbcn=off")) << text;
  for (const char* text : {"", ",", "dbcn=off,", ",dbcn=off", "dbcn=off,,sta=off"})
    EXPECT_THAT(refuse(text), HasSubstr("\"\" is not a choice; give a list like dbcn=off,mpxy=on")) << text;
  EXPECT_EQ(refuse("dbcn=off,sta=off,dbcn=off"), "--sbi: dbcn given twice");
  EXPECT_EQ(refuse("dbcn=off,dbcn=on"), "--sbi: dbcn given twice");
  EXPECT_LT(refuse(std::string(100'000, 'x').c_str()).size(), 250U);
}

TEST(CommandLine, AffinityListsHaveRanges) {
  EXPECT_THAT(config_of({"--cpu-affinity", "0,2,4-7"}).cpu_affinity, ElementsAre(0, 2, 4, 5, 6, 7));
  EXPECT_THAT(config_of({"--cpu-affinity", "4095"}).cpu_affinity, ElementsAre(4095));
}

TEST(CommandLine, BadAffinityListsAreRefused) {
  for (const char* text : {"", ",", "1,", "a", "3-1", "-1", "1-", "1--2", "4096", "0-4294967295", "1 2"}) {
    EXPECT_THAT(refusal_of({"--kernel", "Image", "--cpu-affinity", text}), HasSubstr("is not a CPU")) << text;
  }
}

TEST(CommandLine, LogLevelsMixAndTheLaterWins) {
  EXPECT_EQ(config_of({"--log-level", "debug"}).log_levels.size(), static_cast<size_t>(Module::kCount));
  EXPECT_THAT(config_of({"--log-level", "kvm=trace,sbi=debug"}).log_levels,
              ElementsAre(Pair(Module::kKvm, Level::kTrace), Pair(Module::kSbi, Level::kDebug)));
  EXPECT_THAT(config_of({"--log-level", "error,kvm=trace"}).log_levels.back(), Pair(Module::kKvm, Level::kTrace));
}

TEST(CommandLine, BadLogSpecsListWhatIsRight) {
  const auto refuse = [](const char* text) { return refusal_of({"--kernel", "Image", "--log-level", text}); };
  EXPECT_EQ(refuse("loud"),
            "--log-level: \"loud\" is not a log level; levels are trace, debug, info, warn, error, off");
  EXPECT_EQ(refuse("cpu=info"),
            "--log-level: \"cpu\" is not a log module; modules are vmm, kvm, sbi, devices, loader, guest");
  EXPECT_THAT(refuse("kvm=loud"), HasSubstr("\"loud\" is not a log level"));
  EXPECT_THAT(refuse("kvm="), HasSubstr("\"\" is not a log level"));
  EXPECT_THAT(refuse(""), HasSubstr("\"\" is not a log level"));
  EXPECT_THAT(refuse("info,"), HasSubstr("\"\" is not a log level"));
}

TEST(CommandLine, MessagesStayOneLineWhateverIsTyped) {
  EXPECT_THAT(refusal_of({"--smp", "1\n2\x1b[31m"}), HasSubstr("\"1?2?[31m\""));
  EXPECT_LT(refusal_of({"--smp", std::string(100'000, '9')}).size(), 200U);
  EXPECT_LT(refusal_of({"--" + std::string(100'000, 'x')}).size(), 200U);
}

TEST(Help, FitsALargeScreen) {
  const auto text = std::get<PrintText>(parse({"--help"})).text;
  size_t lines = 0;
  for (size_t begin = 0; begin < text.size(); ++lines) {
    const size_t end = text.find('\n', begin);
    EXPECT_LE(end - begin, 80U) << text.substr(begin, end - begin);
    begin = end + 1;
  }
  EXPECT_LE(lines, 54U);
}

TEST(Help, NamesEveryOption) {
  const auto text = std::get<PrintText>(parse({"-h"})).text;
  for (const OptionSpec& spec : option_table())
    EXPECT_THAT(text, HasSubstr(std::format("--{}", spec.name)));
}

TEST(OptionTable, IsInTheOrderOfItsIdsWithUniqueNames) {
  size_t index = 0;
  for (const OptionSpec& spec : option_table()) {
    EXPECT_EQ(find_option(spec.name), &spec);
    ++index;
  }
  EXPECT_EQ(index, static_cast<size_t>(OptionId::kCount));
  EXPECT_EQ(find_option("nothing"), nullptr);
}

TEST(Version, StartsWithTheProgramAndEndsEachLine) {
  EXPECT_TRUE(std::holds_alternative<PrintVersion>(parse({"--version"})));
  EXPECT_TRUE(std::holds_alternative<PrintVersion>(parse({"-V"})));
  const std::string text = version_text("KVM API 12");
  EXPECT_TRUE(text.starts_with("rvvmm ")) << text;
  EXPECT_TRUE(text.ends_with("\nKVM API 12\n")) << text;
  EXPECT_EQ(std::ranges::count(version_text(""), '\n'), 1);
}

TEST(List, OnlySbiIsKnown) {
  EXPECT_TRUE(std::holds_alternative<ListSbi>(parse({"--list", "sbi"})));
  EXPECT_EQ(refusal_of({"--list", "pci"}), "--list: \"pci\" cannot be listed; give sbi");
  EXPECT_EQ(refusal_of({"--list"}), "--list: its argument is missing; see rvvmm --help");
}

TEST(CompletionScript, OnlyBashIsKnown) {
  EXPECT_EQ(refusal_of({"--completion", "fish"}), "--completion: \"fish\" is not supported; give bash");
}

/// What bash offers for the words, of which the last is being typed.
std::string completed_by_bash(const std::string& words, int index) {
  const std::string folder = ::testing::TempDir();
  const std::string script = folder + std::format("rvvmm-completion-{}.bash", ::getpid());
  std::ofstream(script) << std::get<PrintText>(parse({"--completion", "bash"})).text
                        << std::format(
                               "COMP_WORDS=({}); COMP_CWORD={}; _rvvmm 2>/dev/null; echo \"${{COMPREPLY[@]}}\"\n",
                               words, index);
  FILE* bash = ::popen(std::format("bash -n {0} && bash {0}", script).c_str(), "r");
  std::string out;
  for (int c = std::fgetc(bash); c != EOF; c = std::fgetc(bash))
    out += static_cast<char>(c);
  EXPECT_EQ(::pclose(bash), 0);
  std::filesystem::remove(script);
  return out;
}

TEST(CompletionScript, CompletesNamesAndWords) {
  if (std::system("command -v bash >/dev/null") != 0) GTEST_SKIP() << "no bash";
  EXPECT_EQ(completed_by_bash("rvvmm --ker", 1), "--kernel --kernel-format\n");
  EXPECT_EQ(completed_by_bash("rvvmm --irqchip p", 2), "plic\n");
  EXPECT_EQ(completed_by_bash("rvvmm --irqchip = a", 3), "auto aia\n");
  EXPECT_EQ(completed_by_bash("rvvmm --sbi le", 2), "legacy=off\n");
  EXPECT_EQ(completed_by_bash("rvvmm --sbi mp", 2), "mpxy=off\n");
  EXPECT_EQ(completed_by_bash("rvvmm --list s", 2), "sbi\n");
  EXPECT_EQ(completed_by_bash("rvvmm -m ''", 2), "\n");
  EXPECT_EQ(completed_by_bash("rvvmm --kernel /dev/nul", 2), "/dev/null\n");
}

TEST_F(ConfigFile, KeysCommentsAndSpaces) {
  const std::string file = write(
      "# a guest\n\n  \t# indented comment\nkernel=Image\r\n\tmem =  1G \nappend = console=ttyS0 a=b # c\n"
      "no-reboot = true\nsmp=3");
  const auto config = std::get<Config>(parse({"--config", file}));
  EXPECT_EQ(config.kernel, "Image");
  EXPECT_EQ(config.mem_bytes, 1_GiB);
  EXPECT_EQ(config.append, "console=ttyS0 a=b # c");
  EXPECT_TRUE(config.no_reboot);
  EXPECT_EQ(config.smp, 3U);
}

TEST_F(ConfigFile, AMarkOfTheEncodingIsNoPartOfTheFirstKey) {
  EXPECT_EQ(std::get<Config>(parse({"--config", write("\xef\xbb\xbfkernel = Image\n")})).kernel, "Image");
  EXPECT_EQ(refusal(std::string_view{"\xff\xfek\0e\0", 6}), path() + ":1: is UTF-16; save it as UTF-8");
  EXPECT_EQ(refusal(std::string_view{"\xfe\xff\0k\0e", 6}), path() + ":1: is UTF-16; save it as UTF-8");
  EXPECT_EQ(refusal("\xef\xbb\xbfkernal = x\n"), path() + ":1: \"kernal\": unknown key; did you mean kernel?");
}

TEST_F(ConfigFile, CommandLineWins) {
  const std::string file = write("kernel = a\nappend = file\nlog-level = debug\nsmp = 2\n");
  const auto config =
      std::get<Config>(parse({"--append", "line", "--config", file, "--log-level", "kvm=info", "--smp", "5"}));
  EXPECT_EQ(config.kernel, "a");
  EXPECT_EQ(config.append, "line");
  EXPECT_EQ(config.smp, 5U);
  EXPECT_THAT(config.log_levels, ElementsAre(Pair(Module::kKvm, Level::kInfo)));
}

TEST_F(ConfigFile, UnknownKeyNamesTheLineAndTheNearest) {
  EXPECT_EQ(refusal("smp = 1\nkernal = x\n"), path() + ":2: \"kernal\": unknown key; did you mean kernel?");
  EXPECT_EQ(refusal("= x\n"), path() + ":1: \"\": unknown key");
}

TEST_F(ConfigFile, BadValueNamesTheLine) {
  EXPECT_THAT(refusal("# x\nsmp = 0\n"), HasSubstr(path() + ":2: smp: \"0\" is not a number of harts"));
  EXPECT_THAT(refusal("no-reboot = yes\n"), HasSubstr(":1: no-reboot: \"yes\" is neither true nor false"));
}

TEST_F(ConfigFile, SbiChoicesOfTheCommandLineReplaceThoseOfTheFile) {
  const std::string file = write("kernel = a\nsbi = dbcn=off,sta=off\n");
  EXPECT_EQ(chosen(std::get<Config>(parse({"--config", file})).sbi), "dbcn=off sta=off");
  EXPECT_EQ(chosen(std::get<Config>(parse({"--config", file, "--sbi", "mpxy=on"})).sbi), "mpxy=on");
  EXPECT_EQ(refusal("sbi = dbnc=off\n"),
            path() + ":1: sbi: \"dbnc\" is not an SBI extension that can be switched; did you mean dbcn?");
  EXPECT_THAT(refusal("list = sbi\n"), HasSubstr("only on the command line"));
}

TEST_F(ConfigFile, LineWithoutValueIsRefused) {
  EXPECT_EQ(refusal("smp\n"), path() + ":1: smp: has no value; write smp = VALUE");
}

TEST_F(ConfigFile, KeyGivenTwiceNamesBothLines) {
  EXPECT_EQ(refusal("smp = 1\n\nsmp = 1\n"), path() + ":3: smp: given twice, first in line 1");
}

TEST_F(ConfigFile, OptionsOfTheCommandLineAreNoKeys) {
  EXPECT_EQ(refusal("config = other\n"), path() + ":1: config: only on the command line, as --config");
  EXPECT_THAT(refusal("help = true\n"), HasSubstr("only on the command line"));
}

TEST_F(ConfigFile, MissingFileIsNamed) {
  EXPECT_THAT(refusal_of({"--config", path()}), HasSubstr(path() + ": no such file"));
  EXPECT_THAT(refusal_of({"--config", ""}), HasSubstr("--config: \"\" is not a file"));
}

TEST_F(ConfigFile, DirectoryAndFifoAreRefused) {
  EXPECT_THAT(refusal_of({"--config", folder_}), HasSubstr("is a directory"));
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  EXPECT_THAT(refusal_of({"--config", path()}), HasSubstr("is a FIFO"));
}

TEST_F(ConfigFile, LineOneByteTooLongIsRefused) {
  const std::string longest = "append = " + std::string(4096 - 9, 'x');
  EXPECT_EQ(config_of({"--config", write(longest)}).append.size(), 4096U - 9);
  EXPECT_EQ(refusal("\n" + longest + "x"), path() + ":2: longer than 4096 bytes");
}

TEST_F(ConfigFile, NulByteIsRefused) {
  EXPECT_EQ(refusal(std::string_view{"smp = 1\nmem\0 = 1\n", 17}),
            path() + ":2: holds a NUL byte; a configuration is text");
}

TEST_F(ConfigFile, FileOneByteTooLargeIsRefused) {
  std::string text;
  while (text.size() < 64_KiB)
    text += "# comment of 31 characters and \n";
  EXPECT_EQ(text.size(), 64_KiB);
  EXPECT_EQ(config_of({"--config", write(text)}).smp, 1U);
  EXPECT_THAT(refusal(text + "\n"), HasSubstr("is larger than 64 KiB"));
}

TEST(TraceOptions, AreTaken) {
  const Config config = config_of({"--trace", "sbi:dbcn.*,mmio:uart", "--trace-file", "t,json,registers",
                                   "--flight-record", "f", "--profile", "p", "--symbols", "s"});
  EXPECT_EQ(config.trace, "sbi:dbcn.*,mmio:uart");
  EXPECT_EQ(config.trace_file, (TraceFile{.path = "t", .json = true, .registers = true}));
  EXPECT_EQ(config.flight_record, "f");
  EXPECT_EQ(config.profile, "p");
  EXPECT_EQ(config.symbols, "s");
}

TEST(TraceOptions, MistakesAreNamed) {
  EXPECT_EQ(refusal_of({"--kernel", "Image", "--trace", "sbi:dbcm"}),
            "--trace: column 5: \"dbcm\" is not an SBI extension; did you mean dbcn?");
  EXPECT_EQ(refusal_of({"--kernel", "Image", "--trace-file", "t"}),
            "--trace-file: there is nothing to write; give --trace too");
  EXPECT_EQ(refusal_of({"--kernel", "Image", "--symbols", "map"}),
            "--symbols: there is nothing to name; give --profile too");
  EXPECT_EQ(refusal_of({"--kernel", "Image", "--trace", "sbi", "--trace-file", "t,registers"}),
            "--trace-file: registers: a line of text has no room for them; give json too");
  EXPECT_THAT(refusal_of({"--kernel", "Image", "--trace", "sbi", "--trace-file", "t,jsn"}), HasSubstr("jsn"));
}

TEST(Cli, BreaksAndWhatHappensThere) {
  const Config config = config_of({"--break", "sbi:hsm.hart_start if a0==2", "--on-break", "exit"});
  EXPECT_EQ(config.breaks, "sbi:hsm.hart_start if a0==2");
  EXPECT_EQ(config.on_break, OnBreak::kExit);
  EXPECT_EQ(config_of({"--break", "sbi"}).on_break, std::nullopt);
  EXPECT_EQ(refusal_of({"--kernel", "Image", "--break", "mmio:uart.write if valeu==10"}),
            "--break: column 20: \"valeu\" is not a field of these exits; did you mean value?");
  EXPECT_EQ(refusal_of({"--kernel", "Image", "--on-break", "dump"}),
            "--on-break: there is nothing to stop at; give --break too");
  EXPECT_EQ(refusal_of({"--kernel", "Image", "--break", "sbi", "--on-break", "stop"}),
            "--on-break: \"stop\" is not an action for a break; give prompt, continue, dump or exit");
}

TEST(Cli, PanicsAndWhatHappensThen) {
  const Config config = config_of({"--panic-pattern", "Oops", "--panic-pattern", "Kernel panic", "--on-panic", "stop"});
  EXPECT_THAT(config.panic_patterns, ElementsAre("Oops", "Kernel panic"));
  EXPECT_EQ(config.on_panic, OnPanic::kStop);
  EXPECT_EQ(config_of({"--on-panic", "reset"}).on_panic, OnPanic::kReset);
  EXPECT_EQ(config_of({}).on_panic, std::nullopt);
  EXPECT_EQ(refusal_of({"--kernel", "Image", "--on-panic", "halt"}),
            "--on-panic: \"halt\" is not an action for a panic; give exit, reset or stop");
  EXPECT_EQ(refusal_of({"--kernel", "Image", "--on-panic", "reset", "--no-reboot"}),
            "--on-panic: reset is forbidden by --no-reboot; give one of the two");
  for (const std::string& pattern : {std::string{}, std::string{"**"}, std::string{"a\nb"}, std::string(257, 'x')})
    EXPECT_THAT(refusal_of({"--kernel", "Image", "--panic-pattern", pattern.c_str()}),
                HasSubstr("cannot be searched for in a line"));
}

}  // namespace
}  // namespace rvvmm::cli_test

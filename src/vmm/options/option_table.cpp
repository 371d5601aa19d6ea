#include "vmm/options/option_table.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <iterator>

#include "base/sbi_switches.hpp"

namespace rvvmm {
namespace {

constexpr std::string_view kBoot = "Guest";
constexpr std::string_view kMachine = "Machine";
constexpr std::string_view kDevices = "Devices";
constexpr std::string_view kRun = "Running";
constexpr std::string_view kInfo = "About";

// A space and "NAME=off" for each SBI extension. Users mostly switch extensions off.
constexpr std::string_view kOff = "=off";
constexpr auto kSbiWordBytes = [] {
  constexpr size_t kSize = [] {
    size_t size = 0;
    for (const SbiSwitch& extension : kSbiSwitches)
      size += 1 + extension.name.size() + kOff.size();
    return size;
  }();
  std::array<char, kSize> bytes{};
  auto at = bytes.begin();
  for (const SbiSwitch& extension : kSbiSwitches) {
    *at++ = ' ';
    at = std::ranges::copy(extension.name, at).out;
    at = std::ranges::copy(kOff, at).out;
  }
  return bytes;
}();
constexpr std::string_view kSbiWords{kSbiWordBytes.data() + 1, kSbiWordBytes.size() - 1};

// The short names are kvmtool's (lkvm run -k -i -p -c -m).
constexpr std::array<OptionSpec, static_cast<size_t>(OptionId::kCount)> kTable{{
    {.id = OptionId::kKernel,
     .name = "kernel",
     .short_name = 'k',
     .argument = "FILE",
     .group = kBoot,
     .help = "kernel: Image, also compressed, or ELF (required)",
     .completion = Completion::kFile},
    {.id = OptionId::kKernelFormat,
     .name = "kernel-format",
     .argument = "FORMAT",
     .group = kBoot,
     .help = "auto (by content, default) or raw (as it is)",
     .completion = Completion::kWords,
     .words = "auto raw"},
    {.id = OptionId::kInitrd,
     .name = "initrd",
     .short_name = 'i',
     .argument = "FILE",
     .group = kBoot,
     .help = "initial RAM disk; several become one",
     .completion = Completion::kFile,
     .repeatable = true},
    {.id = OptionId::kAppend,
     .name = "append",
     .short_name = 'p',
     .argument = "TEXT",
     .group = kBoot,
     .help = "command line of the guest's kernel"},
    {.id = OptionId::kDtb,
     .name = "dtb",
     .argument = "FILE",
     .group = kBoot,
     .help = "device tree to use instead of the generated one",
     .completion = Completion::kFile},
    {.id = OptionId::kDumpDtb,
     .name = "dump-dtb",
     .argument = "FILE",
     .group = kBoot,
     .help = "write the device tree to FILE and end",
     .completion = Completion::kFile},
    {.id = OptionId::kSmp,
     .name = "smp",
     .short_name = 'c',
     .argument = "N",
     .group = kMachine,
     .help = "number of harts (default 1)"},
    {.id = OptionId::kMem,
     .name = "mem",
     .short_name = 'm',
     .argument = "SIZE[,...]",
     .group = kMachine,
     .help = "RAM (default 256M); also hugepages=, shared, ..."},
    {.id = OptionId::kIrqchip,
     .name = "irqchip",
     .argument = "KIND",
     .group = kMachine,
     .help = "auto (the host's best, default), aia or plic",
     .completion = Completion::kWords,
     .words = "auto aia plic"},
    {.id = OptionId::kSbi,
     .name = "sbi",
     .argument = "LIST",
     .group = kMachine,
     .help = "SBI extensions: dbcn=off,mpxy=on; see --list sbi",
     .completion = Completion::kWords,
     .words = kSbiWords},
    {.id = OptionId::kCpuAffinity,
     .name = "cpu-affinity",
     .argument = "LIST",
     .group = kMachine,
     .help = "host CPUs for the harts, in turn: 0,2,4-7"},
    {.id = OptionId::kNoReboot, .name = "no-reboot", .group = kMachine, .help = "end when the guest asks for a reset"},
    {.id = OptionId::kDisk,
     .name = "disk",
     .argument = "FILE[,...]",
     .group = kDevices,
     .help = "raw disk image; also ro, serial=, direct, ...",
     .completion = Completion::kFile,
     .repeatable = true},
    {.id = OptionId::kNet,
     .name = "net",
     .argument = "WHERE",
     .group = kDevices,
     .help = "user, tap=NAME or fd=N; also hostfwd=, vhost=, ...",
     .completion = Completion::kWords,
     .words = "user tap= fd=",
     .repeatable = true},
    {.id = OptionId::kTransport,
     .name = "transport",
     .argument = "KIND",
     .group = kDevices,
     .help = "for virtio devices: pci (default) or mmio",
     .completion = Completion::kWords,
     .words = "pci mmio"},
    {.id = OptionId::kRng, .name = "rng", .group = kDevices, .help = "a device that gives the host's randomness"},
    {.id = OptionId::kPowerKey,
     .name = "power-key",
     .group = kDevices,
     .help = "a power key, which the first SIGTERM presses"},
    {.id = OptionId::kConsole,
     .name = "console",
     .argument = "WHAT",
     .group = kDevices,
     .help = "uart, virtio; goes to pty, socket=, file=, null",
     .completion = Completion::kWords,
     .words = "uart virtio pty socket= file= null"},
    {.id = OptionId::kLogLevel,
     .name = "log-level",
     .argument = "SPEC",
     .group = kRun,
     .help = "LEVEL, MODULE=LEVEL or a list: warn,kvm=trace",
     .completion = Completion::kWords,
     .words = "trace debug info warn error off"},
    {.id = OptionId::kLogFile,
     .name = "log-file",
     .argument = "FILE",
     .group = kRun,
     .help = "append the log to FILE instead of stderr",
     .completion = Completion::kFile},
    {.id = OptionId::kGuestLogLimit,
     .name = "guest-log-limit",
     .argument = "SIZE",
     .group = kRun,
     .help = "what guests may log by hypercall, default 16M"},
    {.id = OptionId::kBootTimeline,
     .name = "boot-timeline",
     .argument = "FILE",
     .group = kRun,
     .help = "write the times of boot events to FILE",
     .completion = Completion::kFile},
    {.id = OptionId::kProfile,
     .name = "profile",
     .argument = "FILE",
     .group = kRun,
     .help = "what exits cost: as JSON, or with - on stderr",
     .completion = Completion::kFile},
    {.id = OptionId::kSymbols,
     .name = "symbols",
     .argument = "FILE",
     .group = kRun,
     .help = "System.map or vmlinux of the guest's kernel",
     .completion = Completion::kFile},
    {.id = OptionId::kTrace,
     .name = "trace",
     .argument = "EXITS",
     .group = kRun,
     .help = "print each of these exits: sbi:dbcn.*,mmio:uart"},
    {.id = OptionId::kTraceFile,
     .name = "trace-file",
     .argument = "FILE[,...]",
     .group = kRun,
     .help = "write the trace to FILE; also json, registers",
     .completion = Completion::kFile},
    {.id = OptionId::kBreak,
     .name = "break",
     .argument = "EXITS",
     .group = kRun,
     .help = "stop at these exits, and ask at the terminal"},
    {.id = OptionId::kOnBreak,
     .name = "on-break",
     .argument = "WHAT",
     .group = kRun,
     .help = "instead of asking: continue, dump or exit",
     .completion = Completion::kWords,
     .words = "prompt continue dump exit"},
    {.id = OptionId::kPanicPattern,
     .name = "panic-pattern",
     .argument = "TEXT",
     .group = kRun,
     .help = "text of a console line that reports a panic",
     .repeatable = true},
    {.id = OptionId::kOnPanic,
     .name = "on-panic",
     .argument = "WHAT",
     .group = kRun,
     .help = "exit, reset or stop",
     .completion = Completion::kWords,
     .words = "exit reset stop"},
    {.id = OptionId::kFlightRecord,
     .name = "flight-record",
     .argument = "FILE",
     .group = kRun,
     .help = "last exits, if the guest fails or on SIGUSR1; off",
     .completion = Completion::kFile},
    {.id = OptionId::kConfig,
     .name = "config",
     .argument = "FILE",
     .group = kRun,
     .help = "read options from FILE: lines \"key = value\"",
     .completion = Completion::kFile,
     .in_file = false},
    {.id = OptionId::kHelp, .name = "help", .short_name = 'h', .group = kInfo, .help = "this text", .in_file = false},
    {.id = OptionId::kVersion,
     .name = "version",
     .short_name = 'V',
     .group = kInfo,
     .help = "version of rvvmm, and what KVM offers here",
     .in_file = false},
    {.id = OptionId::kList,
     .name = "list",
     .argument = "WHAT",
     .group = kInfo,
     .help = "sbi: SBI extensions, and who answers them here",
     .completion = Completion::kWords,
     .words = "sbi",
     .in_file = false},
    {.id = OptionId::kCompletion,
     .name = "completion",
     .argument = "SHELL",
     .group = kInfo,
     .help = "completion script for SHELL (bash)",
     .completion = Completion::kWords,
     .words = "bash",
     .in_file = false},
}};

constexpr size_t kHelpColumn = 30;

std::string left_column(const OptionSpec& spec) {
  std::string text = spec.short_name != 0 ? std::format("  -{}, --{}", spec.short_name, spec.name)
                                          : std::format("      --{}", spec.name);
  if (!spec.argument.empty()) text += std::format(" {}", spec.argument);
  return text;
}

void add_option_help(std::string& out, const OptionSpec& spec) {
  std::string left = left_column(spec);
  std::string_view rest = spec.help;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    out += std::format("{:<{}}{}\n", left, kHelpColumn, rest.substr(0, end));
    left.clear();
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
}

// One arm of the script's "case": the words that may follow this option.
std::string completion_arm(const OptionSpec& spec) {
  const std::string pattern =
      spec.short_name != 0 ? std::format("--{}|-{}", spec.name, spec.short_name) : std::format("--{}", spec.name);
  switch (spec.completion) {
    case Completion::kFile:
      return std::format("    {}) compopt -o filenames; COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n", pattern);
    case Completion::kWords:
      return std::format("    {}) COMPREPLY=($(compgen -W '{}' -- \"$word\")); return ;;\n", pattern, spec.words);
    case Completion::kNone: break;
  }
  return std::format("    {}) return ;;\n", pattern);
}

}  // namespace

std::span<const OptionSpec> option_table() noexcept {
  return kTable;
}

const OptionSpec* find_option(std::string_view name) noexcept {
  const auto at = std::ranges::find(kTable, name, &OptionSpec::name);
  return at == kTable.end() ? nullptr : &*at;
}

std::string help_text() {
  std::string out = "rvvmm: runs a RISC-V guest on KVM. Usage: rvvmm --kernel FILE [OPTION]...\n";
  std::string_view group;
  for (const OptionSpec& spec : kTable) {
    if (spec.group != group) out += std::format("\n{}:\n", spec.group);
    group = spec.group;
    add_option_help(out, spec);
  }
  out +=
      "\nOn a terminal, Ctrl-A x quits, Ctrl-A p pauses, and Ctrl-A h shows all keys.\n"
      "\nExample: rvvmm -k Image -i rootfs.cpio -p \"console=ttyS0\"\n"
      "\nExit status: 0 the guest powered off, 64 wrong usage; see docs/exit-codes.md.\n";
  return out;
}

std::string bash_completion_text() {
  std::string names;
  std::string arms;
  for (const OptionSpec& spec : kTable) {
    names += std::format("{}--{}", names.empty() ? "" : " ", spec.name);
    if (!spec.argument.empty()) arms += completion_arm(spec);
  }
  return "# bash completion for rvvmm; load it with: source <(rvvmm --completion bash)\n"
         "_rvvmm() {\n"
         "  local IFS=$' \\t\\n' word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
         "  COMPREPLY=()\n"
         "  # \"=\" breaks words, so --kernel=Im arrives as three of them.\n"
         "  if [[ $word == \"=\" ]]; then word=;\n"
         "  elif [[ $before == \"=\" && COMP_CWORD -gt 1 ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
         "  case $before in\n" +
         arms +
         "  esac\n"
         "  COMPREPLY=($(compgen -W '" +
         names +
         "' -- \"$word\"))\n"
         "}\n"
         "complete -F _rvvmm rvvmm\n";
}

}  // namespace rvvmm

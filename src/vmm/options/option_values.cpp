#include "vmm/options/option_values.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <limits>
#include <optional>
#include <span>

#include "base/error.hpp"
#include "base/printable.hpp"
#include "base/suggest.hpp"
#include "observe/exit_matcher.hpp"
#include "vmm/options/option_table.hpp"
#include "vmm/options/suboptions.hpp"

namespace rvvmm {
namespace {

constexpr uint32_t kMaxCpu = 4095;  // no host has more; "0-4000000000" must not fill the memory
constexpr size_t kMaxShown = 100;

// Calls `use` with each part between commas, including empty parts.
template <typename Use>
void for_each_part(std::string_view text, Use use) {
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    use(text.substr(begin, end - begin));
    begin = end + 1;
  }
}

template <typename Enum>
std::string names_of(Enum last) {
  std::string names;
  for (int i = 0; i <= static_cast<int>(last); ++i) {
    names += std::format("{}{}", i == 0 ? "" : ", ", log::name_of(static_cast<Enum>(i)));
  }
  return names;
}

log::Level parse_level(const std::string& where, std::string_view text) {
  if (const auto level = log::level_named(text)) return *level;
  throw wrong_value(where, text, std::format("is not a log level; levels are {}", names_of(log::Level::kOff)));
}

log::Module parse_module(const std::string& where, std::string_view text) {
  if (const auto module = log::module_named(text)) return *module;
  constexpr auto kLast = static_cast<log::Module>(static_cast<int>(log::Module::kCount) - 1);
  throw wrong_value(where, text, std::format("is not a log module; modules are {}", names_of(kLast)));
}

std::string did_you_mean(std::string_view typed, std::string_view prefix, std::span<const std::string_view> names) {
  const std::string_view nearest = nearest_name(typed, names);
  return nearest.empty() ? std::string{} : std::format("; did you mean {}{}?", prefix, nearest);
}

/// The row of kSbiSwitches that has this name.
size_t parse_sbi_name(const std::string& where, std::string_view text) {
  std::vector<std::string_view> names;
  for (const SbiSwitch& extension : kSbiSwitches) {
    if (extension.name == text) return names.size();
    names.push_back(extension.name);
  }
  const std::string advice = did_you_mean(text, "", names);
  throw wrong_value(
      where, text,
      "is not an SBI extension that can be switched" + (advice.empty() ? "; see rvvmm --list sbi" : advice));
}

// How many bits the suffix shifts the number to the left. No suffix means MiB.
std::optional<int> suffix_shift(std::string_view suffix) noexcept {
  if (suffix.empty()) return 20;
  if (suffix.size() > 1) return std::nullopt;
  switch (suffix.front()) {
    case 'K':
    case 'k': return 10;
    case 'M':
    case 'm': return 20;
    case 'G':
    case 'g': return 30;
    case 'T':
    case 't': return 40;
    default: return std::nullopt;
  }
}

}  // namespace

SetupError usage(const std::string& message) {
  return SetupError{ExitStatus::kUsage, message};
}

SetupError wrong_value(const std::string& where, std::string_view text, std::string_view expected) {
  return usage(std::format("{}: {} {}", where, in_quotes(text), expected));
}

std::string shortened(std::string_view text) {
  std::string shown = printable(text.substr(0, kMaxShown));
  if (text.size() > kMaxShown) shown += "...";
  return shown;
}

std::string in_quotes(std::string_view text) {
  return std::format("\"{}\"", shortened(text));
}

std::string suggestion(std::string_view typed, std::string_view prefix, bool in_file) {
  std::vector<std::string_view> names;
  for (const OptionSpec& spec : option_table()) {
    if (spec.in_file || !in_file) names.push_back(spec.name);
  }
  return did_you_mean(typed, prefix, names);
}

uint32_t parse_smp(const std::string& where, std::string_view text) {
  const auto harts = parse_decimal<uint32_t>(text);
  if (!harts || *harts == 0) throw wrong_value(where, text, "is not a number of harts; give a number from 1");
  return *harts;
}

uint64_t parse_bytes(const std::string& where, std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::optional<int> shift = suffix_shift(text.substr(digits));
  if (digits == 0 || !shift) {
    throw wrong_value(where, text, "is not a size; give a number of MiB, or one with suffix K, M, G or T");
  }
  const auto number = parse_decimal<uint64_t>(text.substr(0, digits));
  if (!number || *number > std::numeric_limits<uint64_t>::max() >> *shift) {
    throw wrong_value(where, text, "is more than 64 bits can hold; give less, such as 4G");
  }
  return *number << *shift;
}

uint64_t parse_size(const std::string& where, std::string_view text) {
  const uint64_t bytes = parse_bytes(where, text);
  if (bytes == 0 || bytes % kPageSize != 0) {
    throw wrong_value(where, text, "is not a RAM size; give a multiple of 4K that is not 0");
  }
  return bytes;
}

KernelFormat parse_kernel_format(const std::string& where, std::string_view text) {
  if (text == "auto") return KernelFormat::kAuto;
  if (text == "raw") return KernelFormat::kRaw;
  throw wrong_value(where, text, "is not a kernel format that can be chosen; give auto or raw");
}

IrqchipChoice parse_irqchip(const std::string& where, std::string_view text) {
  if (text == "auto") return IrqchipChoice::kAuto;
  if (text == "aia") return IrqchipChoice::kAia;
  if (text == "plic") return IrqchipChoice::kPlic;
  throw wrong_value(where, text, "is not an interrupt controller; give auto, aia or plic");
}

Transport parse_transport(const std::string& where, std::string_view text) {
  if (text == "pci") return Transport::kPci;
  if (text == "mmio") return Transport::kMmio;
  throw wrong_value(where, text, "is not a transport of virtio devices; give pci or mmio");
}

// Takes the device and the place in any order.
ConsoleChoice parse_console(const std::string& where, std::string_view text) {
  static constexpr std::array kWords{SuboptionSpec{.name = "uart"},
                                     SuboptionSpec{.name = "virtio"},
                                     SuboptionSpec{.name = "pty"},
                                     SuboptionSpec{.name = "socket", .kind = SuboptionKind::kValue},
                                     SuboptionSpec{.name = "file", .kind = SuboptionKind::kValue},
                                     SuboptionSpec{.name = "null"}};
  const Suboptions options{where, text, kWords, true};
  if (!options.head().empty() || options.all().empty()) {
    throw wrong_value(where, options.head(),
                      "is not a console; give uart or virtio, or where it goes: pty, socket=PATH, file=PATH or null");
  }
  ConsoleChoice choice;
  const Suboption* device = nullptr;
  const Suboption* place = nullptr;
  for (const Suboption& option : options.all()) {
    const bool is_device = option.name == "uart" || option.name == "virtio";
    const Suboption*& same_kind = is_device ? device : place;
    if (same_kind != nullptr) {
      throw usage(std::format("{}: {} and {}: {} only; leave one out", where, same_kind->name, option.name,
                              is_device ? "it is one device" : "it can go to one place"));
    }
    same_kind = &option;
    if (option.name == "virtio") choice.device = ConsoleDevice::kVirtio;
    if (option.name == "pty") choice.where = ConsoleWhere::kPty;
    if (option.name == "socket") choice.where = ConsoleWhere::kSocket;
    if (option.name == "file") choice.where = ConsoleWhere::kFile;
    if (option.name == "null") choice.where = ConsoleWhere::kNull;
    choice.path += option.value;  // at most one suboption has a value
  }
  return choice;
}

SbiChoices parse_sbi_choices(const std::string& where, std::string_view text) {
  SbiChoices choices;
  for_each_part(text, [&](std::string_view part) {
    const size_t equals = std::min(part.find('='), part.size());
    const std::string_view value = part.substr(std::min(equals + 1, part.size()));
    if (part.empty()) throw wrong_value(where, part, "is not a choice; give a list like dbcn=off,mpxy=on");
    const size_t row = parse_sbi_name(where, part.substr(0, equals));
    const SbiSwitch& extension = kSbiSwitches[row];
    if (value != "on" && value != "off") {
      throw wrong_value(where, part, std::format("is not a choice; give {0}=on or {0}=off", extension.name));
    }
    if (choices.chosen(row) != SbiSetting::kLeave) {
      throw usage(std::format("{}: {} given twice", where, extension.name));
    }
    choices.choose(row, value == "on");
  });
  return choices;
}

std::vector<uint32_t> parse_cpu_list(const std::string& where, std::string_view text) {
  std::vector<uint32_t> cpus;
  for_each_part(text, [&](std::string_view part) {
    const size_t dash = std::min(part.find('-'), part.size());
    const auto first = parse_decimal<uint32_t>(part.substr(0, dash));
    const auto last = dash == part.size() ? first : parse_decimal<uint32_t>(part.substr(dash + 1));
    if (!first || !last || *last < *first || *last > kMaxCpu) {
      throw wrong_value(where, part,
                        std::format("is not a CPU or range of CPUs from 0 to {}; give a list like 0,2,4-7", kMaxCpu));
    }
    for (uint32_t cpu = *first; cpu <= *last; ++cpu)
      cpus.push_back(cpu);
  });
  return cpus;
}

std::vector<std::pair<log::Module, log::Level>> parse_log_spec(const std::string& where, std::string_view text) {
  std::vector<std::pair<log::Module, log::Level>> levels;
  for_each_part(text, [&](std::string_view part) {
    const size_t equals = part.find('=');
    if (equals != std::string_view::npos) {
      const log::Module module = parse_module(where, part.substr(0, equals));
      levels.emplace_back(module, parse_level(where, part.substr(equals + 1)));
      return;
    }
    const log::Level level = parse_level(where, part);
    for (int i = 0; i < static_cast<int>(log::Module::kCount); ++i) {
      levels.emplace_back(static_cast<log::Module>(i), level);
    }
  });
  return levels;
}

std::string parse_trace(const std::string& where, std::string_view text) {
  const ExitMatcher checked{where, text};
  return std::string{text};
}

OnBreak parse_on_break(const std::string& where, std::string_view text) {
  if (text == "prompt") return OnBreak::kPrompt;
  if (text == "continue") return OnBreak::kContinue;
  if (text == "dump") return OnBreak::kDump;
  if (text == "exit") return OnBreak::kExit;
  throw wrong_value(where, text, "is not an action for a break; give prompt, continue, dump or exit");
}

std::string parse_panic_pattern(const std::string& where, std::string_view text) {
  constexpr size_t kLongest = 256;
  if (text.find_first_not_of("* \t") == std::string_view::npos || text.size() > kLongest || text.contains('\n')) {
    throw wrong_value(where, text,
                      "cannot be searched for in a line; give up to 256 characters of one, such as \"Kernel panic - "
                      "not syncing\"");
  }
  return std::string{text};
}

OnPanic parse_on_panic(const std::string& where, std::string_view text) {
  if (text == "exit") return OnPanic::kExit;
  if (text == "reset") return OnPanic::kReset;
  if (text == "stop") return OnPanic::kStop;
  throw wrong_value(where, text, "is not an action for a panic; give exit, reset or stop");
}

TraceFile parse_trace_file(const std::string& where, std::string_view text) {
  static constexpr std::array kKnown{SuboptionSpec{.name = "json"}, SuboptionSpec{.name = "registers"}};
  const Suboptions options{where, text, kKnown, true};
  TraceFile file{.path = parse_path(where, options.head())};
  file.json = options.find("json") != nullptr;
  file.registers = options.find("registers") != nullptr;
  if (file.registers && !file.json) {
    throw usage(where + ": registers: a line of text has no room for them; give json too");
  }
  return file;
}

bool parse_switch(const std::string& where, std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  throw wrong_value(where, text, "is neither true nor false");
}

std::string parse_path(const std::string& where, std::string_view text) {
  if (text.empty()) throw wrong_value(where, text, "is not a file; give a path");
  return std::string{text};
}

}  // namespace rvvmm

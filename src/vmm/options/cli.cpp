#include "vmm/options/cli.hpp"

#include <algorithm>
#include <array>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <format>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "vmm/options/config_file.hpp"
#include "vmm/options/config_rules.hpp"
#include "vmm/options/mem_option.hpp"
#include "vmm/options/option_table.hpp"
#include "vmm/options/option_values.hpp"

namespace rvvmm {
namespace {

namespace po = boost::program_options;

// The parser removes each word from the front of an array, so its time grows with the square of this number. The
// largest useful command line, with all possible devices and every other option, has about 200 words.
constexpr size_t kMostWords = 1024;

// False: `args` certainly do not contain the option.
bool may_be_in(std::span<const char* const> args, const OptionSpec& spec) noexcept {
  return std::ranges::any_of(args, [&](std::string_view arg) {
    if (arg.starts_with("--")) return arg.substr(2).starts_with(spec.name);
    return spec.short_name != 0 && arg.starts_with('-') && arg.contains(spec.short_name);
  });
}

// Describes only the options that may occur. The parser compares each word with each option several times; with all
// options that would take a fifth of the time before the guest runs.
po::options_description describe_options(std::span<const char* const> args) {
  po::options_description description;
  for (const OptionSpec& spec : option_table()) {
    if (!may_be_in(args, spec)) continue;
    std::string names{spec.name};
    if (spec.short_name != 0) names.append({',', spec.short_name});
    // Boost owns the semantic. option_values parses the values, because its error messages are readable.
    description.add_options()(names.c_str(), new po::untyped_value(spec.argument.empty()));
  }
  return description;
}

SetupError explain(const po::invalid_command_line_syntax& problem) {
  const std::string option = shortened(problem.get_option_name());
  switch (problem.kind()) {
    case po::invalid_command_line_syntax::missing_parameter:
    case po::invalid_command_line_syntax::empty_adjacent_parameter:
      return usage(std::format("{}: its argument is missing; see rvvmm --help", option));
    case po::invalid_command_line_syntax::extra_parameter:
      return usage(std::format("{}: is a switch and takes no argument", option));
    default: return usage(shortened(problem.what()));
  }
}

// Refuses a word that the parser took for an option although it is not an option of rvvmm, or was meant as another.
void refuse_stranger(const po::option& option) {
  // Several switches in one word, such as -hV: the parser gives the word's text to the last switch only.
  if (option.original_tokens.empty() && option.position_key < 0 && !option.unregistered) return;
  const std::string token = option.original_tokens.empty() ? option.string_key : option.original_tokens.front();
  if (option.position_key >= 0) {
    throw usage(std::format("{}: is not an option; to boot a kernel, give --kernel FILE", in_quotes(token)));
  }
  const std::string_view typed = std::string_view{token}.substr(std::min(token.find_first_not_of('-'), token.size()));
  const std::string_view name = typed.substr(0, typed.find('='));
  // Other programs accept "-kernel Image". Here the parser reads it as "-k ernel" and a stray word.
  const bool long_with_one_dash = !token.starts_with("--") && name.size() > 1 && find_option(name) != nullptr;
  if (!option.unregistered && !long_with_one_dash) return;
  const std::string shown = shortened(std::string_view{token}.substr(0, token.find('=')));
  const std::string advice = suggestion(name, "--", false);
  throw usage(std::format("{}: unknown option{}", shown, advice.empty() ? "; see rvvmm --help" : advice));
}

bool is_option_token(std::string_view token) noexcept {
  if (token.starts_with("--")) return find_option(token.substr(2, token.find('=') - 2)) != nullptr;
  const auto has_short_name = [&](const OptionSpec& spec) { return spec.short_name == token[1]; };
  return token.size() == 2 && token[0] == '-' && std::ranges::any_of(option_table(), has_short_name);
}

// The parser takes the next word as the argument even if that word is an option: "--kernel --smp 2". A user who wants
// such an argument writes --append=--smp.
void refuse_swallowed_option(const po::option& option, const std::string& where) {
  if (option.original_tokens.size() < 2 || !is_option_token(option.original_tokens[1])) return;
  const std::string next = shortened(option.original_tokens[1]);
  throw usage(std::format("{}: its argument is missing before {}; see rvvmm --help", where, next));
}

std::vector<Setting> parse_arguments(std::span<const char* const> args) {
  if (args.size() > kMostWords) {
    throw usage(std::format("{}: word {} of the command line, which may have {}; put the rest in a file of --config",
                            in_quotes(args[kMostWords]), kMostWords + 1, kMostWords));
  }
  const po::options_description description = describe_options(args);
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  po::command_line_parser parser{std::vector<std::string>(args.begin(), args.end())};
  std::vector<Setting> settings;
  std::array<bool, static_cast<size_t>(OptionId::kCount)> seen{};
  for (po::option& option : parser.options(description).style(style).allow_unregistered().run().options) {
    refuse_stranger(option);
    const OptionSpec* spec = find_option(option.string_key);
    std::string where = std::format("--{}", spec->name);
    refuse_swallowed_option(option, where);
    const bool again = std::exchange(seen[static_cast<size_t>(spec->id)], true);
    if (again && !spec->repeatable) throw usage(where + ": given twice");
    std::string value = spec->argument.empty() ? "true" : std::move(option.value.front());
    settings.push_back({.spec = spec, .value = std::move(value), .where = std::move(where)});
  }
  return settings;
}

const Setting* find_setting(std::span<const Setting> settings, OptionId id) noexcept {
  for (const Setting& setting : settings) {
    if (setting.spec->id == id) return &setting;
  }
  return nullptr;
}

void apply_mem(Config& config, const Setting& setting) {
  const MemOption mem = parse_mem(setting.where, setting.value);
  config.mem_bytes = mem.bytes;
  config.ram = mem.ram;
}

void apply(Config& config, const Setting& setting) {
  const auto& [spec, value, where] = setting;
  switch (spec->id) {
    case OptionId::kKernel: config.kernel = parse_path(where, value); break;
    case OptionId::kKernelFormat: config.kernel_format = parse_kernel_format(where, value); break;
    case OptionId::kInitrd: config.initrds.push_back(parse_path(where, value)); break;
    case OptionId::kAppend: config.append = value; break;
    case OptionId::kDtb: config.dtb = parse_path(where, value); break;
    case OptionId::kDumpDtb: config.dump_dtb = parse_path(where, value); break;
    case OptionId::kSmp: config.smp = parse_smp(where, value); break;
    case OptionId::kMem: apply_mem(config, setting); break;
    case OptionId::kIrqchip: config.irqchip = parse_irqchip(where, value); break;
    case OptionId::kSbi: config.sbi = parse_sbi_choices(where, value); break;
    case OptionId::kDisk: config.disks.push_back(parse_disk(where, value)); break;
    case OptionId::kNet: config.nets.push_back(parse_net(where, value)); break;
    case OptionId::kTransport: config.transport = parse_transport(where, value); break;
    case OptionId::kRng: config.rng = parse_switch(where, value); break;
    case OptionId::kPowerKey: config.power_key = parse_switch(where, value); break;
    case OptionId::kConsole: config.console = parse_console(where, value); break;
    case OptionId::kCpuAffinity: config.cpu_affinity = parse_cpu_list(where, value); break;
    case OptionId::kNoReboot: config.no_reboot = parse_switch(where, value); break;
    case OptionId::kLogLevel: config.log_levels = parse_log_spec(where, value); break;
    case OptionId::kLogFile: config.log_file = parse_path(where, value); break;
    case OptionId::kGuestLogLimit: config.guest_log_limit = parse_bytes(where, value); break;
    case OptionId::kBootTimeline: config.boot_timeline = parse_path(where, value); break;
    case OptionId::kProfile: config.profile = parse_path(where, value); break;
    case OptionId::kSymbols: config.symbols = parse_path(where, value); break;
    case OptionId::kTrace: config.trace = parse_trace(where, value); break;
    case OptionId::kTraceFile: config.trace_file = parse_trace_file(where, value); break;
    case OptionId::kBreak: config.breaks = parse_trace(where, value); break;
    case OptionId::kOnBreak: config.on_break = parse_on_break(where, value); break;
    case OptionId::kPanicPattern: config.panic_patterns.push_back(parse_panic_pattern(where, value)); break;
    case OptionId::kOnPanic: config.on_panic = parse_on_panic(where, value); break;
    case OptionId::kFlightRecord: config.flight_record = parse_path(where, value); break;
    case OptionId::kConfig:
    case OptionId::kHelp:
    case OptionId::kVersion:
    case OptionId::kList:
    case OptionId::kCompletion:
    case OptionId::kCount: break;  // these do not configure the machine
  }
}

PrintText completion_script(const Setting& setting) {
  if (setting.value != "bash") {
    throw usage(std::format("{}: {} is not supported; give bash", setting.where, in_quotes(setting.value)));
  }
  return {bash_completion_text()};
}

ListSbi list(const Setting& setting) {
  if (setting.value != "sbi") {
    throw usage(std::format("{}: {} cannot be listed; give sbi", setting.where, in_quotes(setting.value)));
  }
  return {};
}

}  // namespace

ParseResult parse_command_line(std::span<const char* const> args) {
  if (!args.empty() && std::string_view{args.front()} == "report") {
    return std::visit([](auto&& request) -> ParseResult { return request; }, parse_report(args.subspan(1)));
  }
  std::vector<Setting> given;
  try {
    given = parse_arguments(args);
  } catch (const po::invalid_command_line_syntax& problem) {
    throw explain(problem);
  } catch (const po::error& problem) {
    throw usage(shortened(problem.what()));
  }
  if (find_setting(given, OptionId::kHelp) != nullptr) return PrintText{help_text()};
  if (find_setting(given, OptionId::kVersion) != nullptr) return PrintVersion{};
  if (const Setting* what = find_setting(given, OptionId::kList)) return list(*what);
  if (const Setting* shell = find_setting(given, OptionId::kCompletion)) return completion_script(*shell);

  Config config;
  if (const Setting* file = find_setting(given, OptionId::kConfig)) {
    for (const Setting& setting : read_config_file(parse_path(file->where, file->value))) {
      const bool replaced = setting.spec->repeatable && find_setting(given, setting.spec->id) != nullptr;
      if (!replaced) apply(config, setting);
    }
  }
  for (const Setting& setting : given)
    apply(config, setting);
  check_rules(config);
  return config;
}

std::string version_text(std::string_view host_facts) {
  std::string text = "rvvmm " RVVMM_VERSION "\n";
  text += host_facts;
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

}  // namespace rvvmm

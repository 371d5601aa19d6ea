#include "vmm/options/report_options.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <string_view>

#include "base/error.hpp"
#include "base/suggest.hpp"
#include "vmm/options/cli.hpp"
#include "vmm/options/option_values.hpp"

namespace rvvmm {
namespace {

constexpr std::string_view kReportHelp =
    "rvvmm report: shows what --profile wrote. Usage: rvvmm report FILE [OPTION]...\n"
    "\n"
    "      --against FILE          compare with an older profile: what got slower\n"
    "      --html FILE             write an HTML page that needs no other files\n"
    "  -h, --help                  this text\n"
    "\n"
    "Examples:\n"
    "  rvvmm report now.json --against before.json\n"
    "  rvvmm report now.json --html now.html\n";

std::optional<std::string>* option_named(ReportRequest& request, std::string_view name) {
  if (name == "--against") return &request.against;
  if (name == "--html") return &request.html;
  return nullptr;
}

SetupError unknown_option(std::string_view option) {
  constexpr std::array<std::string_view, 3> kNames{"against", "html", "help"};
  const std::string_view typed = option.substr(std::min(option.find_first_not_of('-'), option.size()));
  const std::string_view nearest = nearest_name(typed, kNames);
  return usage(
      std::format("{}: unknown option of report{}", shortened(option),
                  nearest.empty() ? "; see rvvmm report --help" : std::format("; did you mean --{}?", nearest)));
}

}  // namespace

std::variant<ReportRequest, PrintText> parse_report(std::span<const char* const> args) {
  ReportRequest request;
  while (!args.empty()) {
    const std::string_view word = args.front();
    args = args.subspan(1);
    if (word == "--help" || word == "-h") return PrintText{std::string{kReportHelp}};
    if (!word.starts_with('-') || word == "-") {
      if (!request.file.empty()) throw usage(std::format("report: {} is one file too many", in_quotes(word)));
      request.file = parse_path("report", word);
      continue;
    }
    const size_t equals = std::min(word.find('='), word.size());
    const std::string name{word.substr(0, equals)};
    std::optional<std::string>* const option = option_named(request, name);
    if (option == nullptr) throw unknown_option(name);
    if (*option) throw usage(name + ": given twice");
    if (equals < word.size()) {
      *option = parse_path(name, word.substr(equals + 1));
    } else if (!args.empty()) {
      *option = parse_path(name, args.front());
      args = args.subspan(1);
    } else {
      throw usage(name + ": its argument is missing; see rvvmm report --help");
    }
  }
  if (request.file.empty()) throw usage("report: has no file; give one that --profile wrote");
  return request;
}

}  // namespace rvvmm

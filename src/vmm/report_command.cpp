#include "vmm/report_command.hpp"

#include <array>
#include <format>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/output_file.hpp"
#include "base/suggest.hpp"
#include "observe/flight_report.hpp"
#include "observe/profile_html.hpp"
#include "observe/profile_json.hpp"
#include "observe/profile_text.hpp"
#include "vmm/cli.hpp"
#include "vmm/input_file.hpp"
#include "vmm/option_values.hpp"

namespace rvvmm {
namespace {

constexpr std::string_view kHelp =
    "rvvmm report: shows what --profile wrote. Usage: rvvmm report FILE [OPTION]...\n"
    "\n"
    "      --against FILE          compare with an older profile: what got slower\n"
    "      --html FILE             write a page, which needs nothing else to be shown\n"
    "  -h, --help                  this text\n"
    "\n"
    "Examples:\n"
    "  rvvmm report now.json --against before.json\n"
    "  rvvmm report now.json --html now.html\n";

constexpr uint64_t kMostBytes = 256UL << 20;  // of a file: ours have some hundred kilobytes a hart

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

std::string read_text(const std::string& option, const std::string& path) {
  const InputFile file{option, path, "a file that --profile wrote"};
  const uint64_t size = file.size();
  if (size > kMostBytes) throw file.error("is too large for a profile; give a file that --profile wrote");
  std::string text(size, '\0');
  file.read(0, std::as_writable_bytes(std::span{text}));
  return text;
}

ExitProfile read_profile(const std::string& option, const std::string& path) {
  return profile_from_json(read_text(option, path), std::format("{} {}", option, path));
}

void write_page(const std::string& path, const std::string& page) {
  OutputFile file{"--html", path, OutputFile::Start::kEmptied};
  file.write_whole(page, OutputFile::kNever);
}

}  // namespace

std::variant<ReportRequest, PrintText> parse_report(std::span<const char* const> args) {
  ReportRequest request;
  while (!args.empty()) {
    const std::string_view word = args.front();
    args = args.subspan(1);
    if (word == "--help" || word == "-h") return PrintText{std::string{kHelp}};
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

std::string run_report(const ReportRequest& request) {
  if (!request.against && !request.html) {
    const std::string text = read_text("report", request.file);
    if (is_exit_log(text)) return exit_log_to_text(text, std::format("report {}", request.file));
  }
  const ExitProfile profile = read_profile("report", request.file);
  std::optional<ExitProfile> before;
  if (request.against) before = read_profile("--against", *request.against);
  if (request.html) {
    write_page(*request.html, profile_to_html(profile, before));
    return "";
  }
  return before ? comparison_to_text(profile, *before) : profile_to_text(profile);
}

}  // namespace rvvmm

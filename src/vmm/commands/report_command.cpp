#include "vmm/commands/report_command.hpp"

#include <format>
#include <optional>
#include <span>

#include "base/error.hpp"
#include "base/output_file.hpp"
#include "observe/flight_report.hpp"
#include "observe/profile_html.hpp"
#include "observe/profile_json.hpp"
#include "observe/profile_text.hpp"
#include "vmm/host/input_file.hpp"

namespace rvvmm {
namespace {

constexpr uint64_t kLargestProfile = 256UL << 20;  // bytes; files of rvvmm have some hundred kilobytes for each hart

std::string read_text(const std::string& option, const std::string& path) {
  const InputFile file{option, path, "a file that --profile wrote"};
  const uint64_t size = file.size();
  if (size > kLargestProfile) throw file.error("is too large for a profile; give a file that --profile wrote");
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

// The command line of `rvvmm report`.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>

namespace rvvmm {

struct PrintText;

struct ReportRequest {
  std::string file = {};
  std::optional<std::string> against = {};  ///< an older profile
  std::optional<std::string> html = {};     ///< write an HTML page to this file

  friend bool operator==(const ReportRequest&, const ReportRequest&) = default;
};

/// `args` are the words after "report". Throws SetupError (kUsage).
std::variant<ReportRequest, PrintText> parse_report(std::span<const char* const> args);

}  // namespace rvvmm

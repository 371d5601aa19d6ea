// The form of flight records and traces in JSON: a line that says what it is, then a line an exit (docs/profiling.md).
#pragma once

#include <string>
#include <string_view>

namespace rvvmm {

inline constexpr std::string_view kExitLogStart = R"({"format": "rvvmm exits", )";
inline constexpr int kExitLogVersion = 1;

/// The first line; `why`: what it is, and of what, any text.
std::string exit_log_head(std::string_view why);

/// A line of the guest's console, any text, at the end of a flight record.
std::string exit_log_console_line(std::string_view line);

}  // namespace rvvmm

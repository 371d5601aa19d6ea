// The JSON format of flight records and traces: a line that identifies the file, then one line per exit
// (docs/tracing.md).
#pragma once

#include <string>
#include <string_view>

namespace rvvmm {

inline constexpr std::string_view kExitLogStart = R"({"format": "rvvmm exits", )";
inline constexpr int kExitLogVersion = 1;

/// The first line. `why`: the kind and cause of the record; any text.
std::string exit_log_head(std::string_view why);

/// A line of the guest's console at the end of a flight record; any text.
std::string exit_log_console_line(std::string_view line);

}  // namespace rvvmm

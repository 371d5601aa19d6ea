#include "observe/exit_log.hpp"

#include <format>

#include "base/printable.hpp"

namespace rvvmm {

namespace {

std::string in_json(std::string_view text) {
  std::string quoted = "\"";
  for (const char letter : printable(text)) {
    if (letter == '"' || letter == '\\') quoted += '\\';
    quoted += letter;
  }
  return quoted + '"';
}

}  // namespace

std::string exit_log_head(std::string_view why) {
  return std::format("{}\"version\": {}, \"why\": {}}}\n", kExitLogStart, kExitLogVersion, in_json(why));
}

std::string exit_log_console_line(std::string_view line) {
  return std::format("{{\"console\": {}}}\n", in_json(line));
}

}  // namespace rvvmm

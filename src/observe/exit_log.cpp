#include "observe/exit_log.hpp"

#include <algorithm>
#include <format>

#include "base/printable.hpp"

namespace rvvmm {

std::string exit_log_head(std::string_view why) {
  std::string plain = printable(why);
  std::ranges::replace_if(plain, [](char c) { return c == '"' || c == '\\'; }, '\'');
  return std::format("{}\"version\": {}, \"why\": \"{}\"}}\n", kExitLogStart, kExitLogVersion, plain);
}

}  // namespace rvvmm

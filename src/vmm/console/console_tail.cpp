#include "vmm/console/console_tail.hpp"

#include <ranges>

#include "base/printable.hpp"

namespace rvvmm {

std::vector<std::string> console_lines(std::string_view output, size_t most) {
  std::vector<std::string> lines;
  for (const auto part : std::views::split(output, '\n')) {
    std::string line{std::string_view{part}};
    std::ranges::replace(line, '\t', ' ');
    while (line.ends_with('\r'))
      line.pop_back();
    if (!line.empty()) lines.push_back(printable(line));
  }
  if (lines.size() > most) lines.erase(lines.begin(), lines.end() - static_cast<ptrdiff_t>(most));
  return lines;
}

}  // namespace rvvmm

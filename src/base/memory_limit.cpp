#include "base/memory_limit.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string_view>

namespace rvvmm {
namespace {

/// The number in a file of one line; nullopt if the line is not a number ("max") or the file does not exist.
std::optional<uint64_t> number_in(const std::string& file) {
  std::string line;
  std::getline(std::ifstream{file}, line);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
  if (error != std::errc{} || end == line.data()) return std::nullopt;
  return number;
}

/// This process's cgroup v2, as a path below the root; empty if the process is not in a cgroup v2.
std::string own_folder(const std::string& own_cgroup) {
  constexpr std::string_view kVersion2 = "0::";
  std::ifstream lines{own_cgroup};
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(kVersion2)) return line.substr(kVersion2.size());
  return "";
}

uint64_t sum(uint64_t a, uint64_t b) noexcept {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

}  // namespace

std::optional<MemoryLimit> memory_limit(uint64_t host_swap, const std::string& own_cgroup, const std::string& root) {
  std::optional<MemoryLimit> tightest;
  std::string folder = own_folder(own_cgroup);
  while (!folder.empty()) {
    const std::string here = root + (folder == "/" ? "" : folder);
    if (const auto memory = number_in(here + "/memory.max")) {
      const uint64_t swap = std::min(host_swap, number_in(here + "/memory.swap.max").value_or(UINT64_MAX));
      const uint64_t bytes = sum(*memory, swap);
      if (!tightest || bytes < tightest->bytes) tightest = {.bytes = bytes, .file = here + "/memory.max"};
    }
    if (folder == "/") break;
    folder.resize(folder.rfind('/'));
    if (folder.empty()) folder = "/";
  }
  return tightest;
}

}  // namespace rvvmm

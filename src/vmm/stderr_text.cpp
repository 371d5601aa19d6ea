#include "vmm/stderr_text.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace rvvmm {
namespace {

bool write_all(std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t done = ::write(STDERR_FILENO, text.data(), text.size());
    if (done < 0 && errno != EINTR) return false;
    if (done > 0) text.remove_prefix(static_cast<size_t>(done));
  }
  return true;
}

}  // namespace

void show_on_stderr(std::string_view text) noexcept {
  if (::isatty(STDERR_FILENO) != 1) {
    write_all(text);
    return;
  }
  while (!text.empty()) {
    const size_t line = std::min(text.find('\n'), text.size());
    if (!write_all(text.substr(0, line))) return;
    if (line < text.size() && !write_all("\r\n")) return;
    text.remove_prefix(std::min(line + 1, text.size()));
  }
}

}  // namespace rvvmm

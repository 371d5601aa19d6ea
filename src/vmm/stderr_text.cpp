#include "vmm/stderr_text.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace rvvmm {
namespace {

int write_all(std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t done = ::write(STDERR_FILENO, text.data(), text.size());
    if (done < 0 && errno != EINTR) return errno;
    if (done > 0) text.remove_prefix(static_cast<size_t>(done));
  }
  return 0;
}

}  // namespace

int write_to_stderr(std::string_view text, bool is_terminal) noexcept {
  if (!is_terminal) return write_all(text);
  int error = 0;
  while (error == 0 && !text.empty()) {
    const size_t line = std::min(text.find('\n'), text.size());
    error = write_all(text.substr(0, line));
    if (error == 0 && line < text.size()) error = write_all("\r\n");
    text.remove_prefix(std::min(line + 1, text.size()));
  }
  return error;
}

void show_on_stderr(std::string_view text) noexcept {
  write_to_stderr(text, ::isatty(STDERR_FILENO) == 1);
}

}  // namespace rvvmm

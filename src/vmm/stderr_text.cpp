#include "vmm/stderr_text.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace rvvmm {
namespace {

int write_all(std::string_view text, const std::atomic<bool>* ending) noexcept {
  while (!text.empty()) {
    if (ending != nullptr && !wait_for_room(STDERR_FILENO, *ending)) return 0;
    const ssize_t done = ::write(STDERR_FILENO, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
    if (done < 0 && errno != EINTR) return errno;
    if (done > 0) text.remove_prefix(static_cast<size_t>(done));
  }
  return 0;
}

}  // namespace

bool wait_for_room(int fd, const std::atomic<bool>& ending) noexcept {
  constexpr int kLookAgainMs = 100;
  pollfd reader{.fd = fd, .events = POLLOUT, .revents = 0};
  while (::poll(&reader, 1, kLookAgainMs) <= 0) {
    if (ending) return false;
  }
  return true;
}

int write_to_stderr(std::string_view text, bool is_terminal, const std::atomic<bool>* ending) noexcept {
  if (!is_terminal) return write_all(text, ending);
  int error = 0;
  while (error == 0 && !text.empty()) {
    const size_t line = std::min(text.find('\n'), text.size());
    error = write_all(text.substr(0, line), ending);
    if (error == 0 && line < text.size()) error = write_all("\r\n", ending);
    text.remove_prefix(std::min(line + 1, text.size()));
  }
  return error;
}

void show_on_stderr(std::string_view text, const std::atomic<bool>* ending) noexcept {
  write_to_stderr(text, ::isatty(STDERR_FILENO) == 1, ending);
}

}  // namespace rvvmm

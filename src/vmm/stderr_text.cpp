#include "vmm/stderr_text.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <new>
#include <string>

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

// In one write(2): others write to a terminal too.
int write_to_stderr(std::string_view text, bool is_terminal, const std::atomic<bool>* ending) noexcept {
  if (!is_terminal) return write_all(text, ending);
  try {
    std::string lines;
    for (const char letter : text) {
      if (letter == '\n') lines += '\r';
      lines += letter;
    }
    return write_all(lines, ending);
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  }
}

void show_on_stderr(std::string_view text, const std::atomic<bool>* ending) noexcept {
  write_to_stderr(text, ::isatty(STDERR_FILENO) == 1, ending);
}

}  // namespace rvvmm

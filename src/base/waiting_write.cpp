#include "base/waiting_write.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <format>

#include "base/fd.hpp"

namespace rvvmm {
namespace {

/// True for pipes, sockets and terminals.
bool has_reader(int fd) noexcept {
  struct stat kind{};
  return ::fstat(fd, &kind) == 0 && (S_ISFIFO(kind.st_mode) || S_ISSOCK(kind.st_mode) || S_ISCHR(kind.st_mode));
}

/// Opens the same pipe or terminal again, as an open file description of our own. Uses the path of this thread, because
/// a hart's thread has its own descriptor table.
Fd open_without_waiting(int fd) noexcept {
  std::array<char, 48> path{};
  std::format_to_n(path.data(), path.size() - 1, "/proc/thread-self/fd/{}", fd);
  return Fd{::open(path.data(), O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
}

}  // namespace

ssize_t write_without_waiting(int fd, std::string_view bytes) noexcept {
  if (!has_reader(fd)) return ::write(fd, bytes.data(), bytes.size());
  const iovec piece{.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
  const ssize_t done = ::pwritev2(fd, &piece, 1, -1, RWF_NOWAIT);
  // Linux supports RWF_NOWAIT for sockets and for pipes of pipe(2), but not for FIFOs and terminals (fs/pipe.c,
  // fs/open.c: FMODE_NOWAIT).
  if (done >= 0 || errno != EOPNOTSUPP) return done;
  if (const Fd own = open_without_waiting(fd)) return ::write(own.get(), bytes.data(), bytes.size());
  // The reopening failed: another user's terminal, no /proc, no descriptor left, or a FIFO whose reader has gone. For a
  // pipe, poll(2) guarantees room for PIPE_BUF bytes only.
  if (!has_room_within(fd, std::chrono::milliseconds{0})) {
    errno = EAGAIN;
    return -1;
  }
  return ::write(fd, bytes.data(), std::min<size_t>(bytes.size(), PIPE_BUF));
}

bool has_room_within(int fd, std::chrono::milliseconds limit) noexcept {
  pollfd reader{.fd = fd, .events = POLLOUT, .revents = 0};
  return ::poll(&reader, 1, static_cast<int>(limit.count())) > 0;
}

bool wait_for_room(int fd, const std::atomic<bool>& give_up) noexcept {
  constexpr std::chrono::milliseconds kLookAgain{100};
  while (!has_room_within(fd, kLookAgain)) {
    if (give_up) return false;
  }
  return true;
}

}  // namespace rvvmm

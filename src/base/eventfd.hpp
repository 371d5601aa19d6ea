// Counters of the kernel (eventfd, timerfd) that wake whoever waits for them.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace rvvmm {

/// A nonblocking eventfd, at zero. Throws SetupError (kInternal) "<what>: <the host's reason>".
inline Fd open_eventfd(const std::string& what) {
  Fd fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!fd) throw SetupError::from_errno(ExitStatus::kInternal, what, errno);
  return fd;
}

/// Wakes whoever waits for the eventfd. Any thread.
inline void add_one(int eventfd) noexcept {
  const uint64_t one = 1;
  // The only failure is a counter that cannot grow, and then whoever waits is awake already.
  [[maybe_unused]] const ssize_t written = ::write(eventfd, &one, sizeof one);
}

/// Back to zero. False where it was zero already and the descriptor does not block: somebody has taken it before.
inline bool take_count(int counter) noexcept {
  uint64_t count = 0;
  return ::read(counter, &count, sizeof count) == static_cast<ssize_t>(sizeof count);
}

}  // namespace rvvmm

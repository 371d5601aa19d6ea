// Kernel counters (eventfd, timerfd) that wake the threads that wait for them.
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

/// Wakes the threads that wait for the eventfd. Any thread.
inline void add_one(int eventfd) noexcept {
  const uint64_t one = 1;
  // The write fails only if the counter cannot grow. The waiting threads have been woken in that case.
  [[maybe_unused]] const ssize_t written = ::write(eventfd, &one, sizeof one);
}

/// Resets the counter to zero. False if it is zero already and the descriptor is nonblocking: another thread has reset
/// it.
inline bool take_count(int counter) noexcept {
  uint64_t count = 0;
  return ::read(counter, &count, sizeof count) == static_cast<ssize_t>(sizeof count);
}

}  // namespace rvvmm

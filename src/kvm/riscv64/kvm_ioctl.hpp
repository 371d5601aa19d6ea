// ioctl() on KVM's descriptors: the errors that set-up turns into one line.
#pragma once

#include <sys/ioctl.h>

#include <cerrno>
#include <string>

#include "base/error.hpp"

namespace rvvmm {

/// The ioctl's value, or -1 with errno; repeated when a signal cut it short.
template <typename Argument>
int kvm_ioctl(int fd, unsigned long request, Argument argument) noexcept {
  int value = 0;
  do {
    value = ::ioctl(fd, request, argument);
  } while (value < 0 && errno == EINTR);
  return value;
}

/// The ioctl's value; throws SetupError "<what>: <errno text>" where it fails.
template <typename Argument>
int kvm_ioctl_or_throw(int fd, unsigned long request, Argument argument, const std::string& what) {
  const int value = kvm_ioctl(fd, request, argument);
  if (value < 0) throw SetupError::from_errno(ExitStatus::kInternal, what, errno);
  return value;
}

}  // namespace rvvmm

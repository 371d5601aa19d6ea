// ioctl() on KVM's descriptors, and the errors that set-up reports in one line.
#pragma once

#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "base/error.hpp"

namespace rvvmm {

/// The ioctl's value, or -1 with errno. Repeats the ioctl if a signal interrupted it.
template <typename Argument>
int kvm_ioctl(int fd, unsigned long request, Argument argument) noexcept {
  int value = 0;
  do {
    value = ::ioctl(fd, request, argument);
  } while (value < 0 && errno == EINTR);
  return value;
}

/// KVM_GET_DEVICE_ATTR or KVM_SET_DEVICE_ATTR; `value` has the attribute's size. False, with errno, if KVM refuses.
inline bool access_device(int device_fd, unsigned long request, uint32_t group, uint64_t attribute,
                          void* value) noexcept {
  const kvm_device_attr attr{.flags = 0, .group = group, .attr = attribute, .addr = reinterpret_cast<uintptr_t>(value)};
  return kvm_ioctl(device_fd, request, &attr) == 0;
}

/// ioctl(fd, KVM_RUN, 0): 0, or a negative errno. It does not use glibc's ioctl(), which is variadic: it spills seven
/// registers and guards its stack, about twenty instructions on every exit. A system call does not preserve vector
/// registers, and the asm statement cannot tell the compiler so. That is safe because rvvmm is built for harts without
/// vector registers (rv64gc).
inline long enter_guest(int vcpu_fd) noexcept {
  register long a0 asm("a0") = vcpu_fd;
  register long a1 asm("a1") = KVM_RUN;
  register long a2 asm("a2") = 0;
  register long a7 asm("a7") = SYS_ioctl;
  asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
  return a0;
}

/// The ioctl's value. Throws SetupError "<what>: <errno text>" if it fails.
template <typename Argument>
int kvm_ioctl_or_throw(int fd, unsigned long request, Argument argument, const std::string& what) {
  const int value = kvm_ioctl(fd, request, argument);
  if (value < 0) throw SetupError::from_errno(ExitStatus::kInternal, what, errno);
  return value;
}

}  // namespace rvvmm

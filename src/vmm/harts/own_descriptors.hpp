// A hart's thread with a descriptor table of its own.
#pragma once

#include <sched.h>
#include <unistd.h>

namespace rvvmm {

/// Made and destroyed by a hart's thread, at its begin and its end. The kernel counts no references to files in a table
/// that nobody shares, which saves 75 instructions in each KVM_RUN. If the host refuses a table, the thread shares the
/// process's as before.
///
/// What a hart uses must be open before the harts start, and stay open: the table is a copy of that moment. A
/// descriptor that is opened later does not exist for the hart, or its number is that of a file which has been closed
/// elsewhere. So what comes later is used on another thread, and a hart asks that thread for it (EventLoop::Timer).
class OwnDescriptors {
 public:
  OwnDescriptors() noexcept : own_(::unshare(CLONE_FILES) == 0) {}
  /// Closes the copies: not left to the end of the thread, which comes after join(). What the machine closes then must
  /// be the last reference.
  ~OwnDescriptors() {
    if (own_) ::close_range(0, ~0U, 0);
  }
  OwnDescriptors(const OwnDescriptors&) = delete;
  OwnDescriptors& operator=(const OwnDescriptors&) = delete;

 private:
  const bool own_;
};

}  // namespace rvvmm

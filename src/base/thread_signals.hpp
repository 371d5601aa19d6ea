// Signal masks of the threads that do device I/O.
#pragma once

#include <csignal>

namespace rvvmm {

/// While this object exists, the calling thread receives only the signals of its own faults, whose handlers restore the
/// terminal before the process dies. A thread that it starts during that time keeps this mask, so that signals go to
/// the threads that wait for them.
class AsynchronousSignalsBlocked {
 public:
  AsynchronousSignalsBlocked() noexcept {
    sigset_t blocked;
    ::sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS})
      ::sigdelset(&blocked, fault);
    ::pthread_sigmask(SIG_SETMASK, &blocked, &before_);
  }
  ~AsynchronousSignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  AsynchronousSignalsBlocked(const AsynchronousSignalsBlocked&) = delete;
  AsynchronousSignalsBlocked& operator=(const AsynchronousSignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace rvvmm

// Signals and the threads that do the I/O of devices.
#pragma once

#include <csignal>

namespace rvvmm {

/// While it lives, the calling thread takes no signal but those of its own faults, whose handlers restore the terminal
/// before the process dies. A thread that it starts meanwhile has the same mask for good: signals are for the threads
/// that wait for them.
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

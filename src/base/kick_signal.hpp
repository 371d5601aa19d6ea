// The signal that interrupts a system call of an rvvmm thread: it gets a hart's thread out of the guest and the console
// thread out of a write.
#pragma once

#include <csignal>

namespace rvvmm {

/// Sent to one thread; its handler does nothing. All other threads block it. It is not a real-time signal, because
/// those are lost when the user's queue is full (RLIMIT_SIGPENDING), and then a hart could not be stopped.
inline constexpr int kKickSignal = SIGURG;

}  // namespace rvvmm

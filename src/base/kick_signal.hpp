// The signal that gets a thread of ours out of a system call: a hart's out of the guest, the console's out of a write.
#pragma once

#include <csignal>

namespace rvvmm {

/// Sent to one thread; its handler does nothing. Blocked in all threads but those. Not a real-time signal: these are
/// lost where a user has used up his queue of them (RLIMIT_SIGPENDING), and then a hart could not be stopped.
inline constexpr int kKickSignal = SIGURG;

}  // namespace rvvmm

// Signals that come together with an errno.
#pragma once

#include <array>
#include <csignal>

namespace rvvmm {

/// A write to a pipe without a reader (EPIPE) and one beyond the limit of a file's size (EFBIG, RLIMIT_FSIZE). By
/// default they end the process, without a word and wherever it is.
inline constexpr std::array kErrnoSignals{SIGPIPE, SIGXFSZ};

/// SIG_IGN: first thing in main, for then each write says what is wrong. SIG_DFL: in a child, before it becomes another
/// program, which would inherit that they are ignored. Async-signal-safe.
inline void handle_errno_signals(sighandler_t handler) noexcept {
  for (const int signal : kErrnoSignals)
    ::signal(signal, handler);
}

}  // namespace rvvmm

// Signals that come together with an errno.
#pragma once

#include <array>
#include <csignal>

namespace rvvmm {

/// Sent by a write to a pipe without a reader (EPIPE) and by a write beyond the file size limit (EFBIG, RLIMIT_FSIZE).
/// By default each ends the process at once, without a message.
inline constexpr std::array kErrnoSignals{SIGPIPE, SIGXFSZ};

/// Main sets SIG_IGN first, so that each write returns its error. A child sets SIG_DFL before it executes another
/// program, because that program would inherit SIG_IGN. Async-signal-safe.
inline void handle_errno_signals(sighandler_t handler) noexcept {
  for (const int signal : kErrnoSignals)
    ::signal(signal, handler);
}

}  // namespace rvvmm

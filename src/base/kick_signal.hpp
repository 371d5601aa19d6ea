// The signal that gets a hart's thread out of the guest.
#pragma once

#include <csignal>

namespace rvvmm {

/// A real-time signal, so that it is nobody else's. VcpuThread installs a handler that does nothing.
inline int kick_signal() noexcept {
  return SIGRTMIN;
}

}  // namespace rvvmm

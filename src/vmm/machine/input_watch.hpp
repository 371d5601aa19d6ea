// Sees to it that console input which a guest was told of, and does not take, is told of again.
#pragma once

#include <chrono>

#include "base/console.hpp"
#include "devices/platform/uart16550.hpp"
#include "vmm/host/event_loop.hpp"

namespace rvvmm {

/// The in-kernel AIA turns the UART's level into one message, and sends the next when the guest has served it. A
/// message that is lost, as with a hart that is reset while it has one, would leave the console dead
/// (docs/kvm-quirks.md). The event loop's thread.
class InputWatch final : public ConsoleListener {
 public:
  static constexpr std::chrono::milliseconds kInterval{1000};
  /// Looks in a row that find input standing still: a guest may have the interrupt masked for good.
  static constexpr int kMostRepeats = 8;

  /// Throws SetupError.
  InputWatch(EventLoop& loop, Uart16550& uart, std::chrono::milliseconds interval = kInterval);

  /// Looks after each interval from here on, until the guest has taken all or takes none any more.
  void on_console_input() noexcept override;

 private:
  void look() noexcept;

  Uart16550& uart_;
  std::chrono::milliseconds interval_;
  Timer timer_;
  int looks_left_ = 0;  // the timer is armed while there are any
};

}  // namespace rvvmm

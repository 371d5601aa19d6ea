// Interrupts a guest again if it does not take waiting console input.
#pragma once

#include <chrono>

#include "base/console.hpp"
#include "devices/platform/uart16550.hpp"
#include "vmm/host/event_loop.hpp"

namespace rvvmm {

/// The in-kernel AIA turns the UART's level into one message. It sends the next message only after the guest has served
/// the first. If a message is lost, for example because its hart is reset, the guest would get no more console input
/// (docs/kvm-quirks.md). Only on the event loop's thread.
class InputWatch final : public ConsoleListener {
 public:
  static constexpr std::chrono::milliseconds kInterval{1000};
  /// The watch stops after so many looks in a row that find the input unchanged: the guest may keep the interrupt
  /// masked.
  static constexpr int kMostRepeats = 8;

  InputWatch(EventLoop& loop, Uart16550& uart, std::chrono::milliseconds interval = kInterval);

  /// From now on looks once in each interval, until the guest has taken all input or has stopped taking it.
  void on_console_input() noexcept override;

  /// While it is held, it does not look: the guest is paused.
  void set_held(bool held) noexcept;

 private:
  void look() noexcept;

  Uart16550& uart_;
  std::chrono::milliseconds interval_;
  Timer timer_;
  int looks_left_ = 0;  // the timer is armed while this is not 0, and the watch not held
};

}  // namespace rvvmm

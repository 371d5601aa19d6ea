// Interrupts as a device and the machine see them.
#pragma once

#include <cstdint>

#include "base/types.hpp"

namespace rvvmm {

/// One level-triggered input of the interrupt controller. A device holds a reference and never learns its number.
/// set() may be called by any thread and with the device's own mutex held: it calls nothing back.
class IrqLine {
 public:
  virtual ~IrqLine() = default;
  virtual void set(bool asserted) noexcept = 0;
  /// Asserts the line once more, which is asserted: for a controller that turns it into messages and may lose one.
  virtual void assert_again() noexcept {}
};

/// A hart's supervisor external interrupt pin, driven by a PLIC in user space. Any thread.
class HartIrqPin {
 public:
  virtual ~HartIrqPin() = default;
  virtual void set_external_interrupt(bool asserted) noexcept = 0;
};

}  // namespace rvvmm

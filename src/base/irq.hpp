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

/// A message-signalled interrupt: what a device stores where (PCI 3.0, 6.8). RISC-V harts take it at their IMSIC.
struct MsiMessage {
  uint64_t address = 0;
  uint32_t data = 0;

  friend bool operator==(const MsiMessage&, const MsiMessage&) = default;
};

/// Where messages go. Any thread, with any device's mutex held: it calls nothing back.
class MsiSink {
 public:
  virtual ~MsiSink() = default;
  /// One that no interrupt file takes is lost, as it would be on hardware.
  virtual void signal_msi(const MsiMessage& message) noexcept = 0;

  /// From now on a write to `eventfd` sends `message`, and so does one that nobody has read yet; no thread of ours
  /// takes part. Again for the same eventfd: the message is another one now. False where the hypervisor refuses; what
  /// was connected before may then still be, until it is disconnected.
  virtual bool connect_msi(int /*eventfd*/, const MsiMessage& /*message*/) noexcept { return false; }
  /// One that was connected: when this returns its writes send nothing any more, and wait for whoever reads them.
  virtual void disconnect_msi(int /*eventfd*/) noexcept {}
};

/// A hart's supervisor external interrupt pin, driven by a PLIC in user space. Any thread.
class HartIrqPin {
 public:
  virtual ~HartIrqPin() = default;
  virtual void set_external_interrupt(bool asserted) noexcept = 0;
};

}  // namespace rvvmm

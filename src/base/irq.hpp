// Interrupts as a device and the machine see them.
#pragma once

#include <cstdint>

#include "base/types.hpp"

namespace rvvmm {

/// One level-triggered input of the interrupt controller. A device holds a reference and does not know its number. Any
/// thread may call set(), also with the device's own mutex held, because set() makes no callbacks.
class IrqLine {
 public:
  virtual ~IrqLine() = default;
  virtual void set(bool asserted) noexcept = 0;
  /// Asserts a line again that is already asserted. Needed because a controller that sends messages for the line may
  /// lose one.
  virtual void assert_again() noexcept {}
};

/// A message-signalled interrupt: the address and the data that a device stores (PCI 3.0, 6.8). RISC-V harts receive it
/// at their IMSIC.
struct MsiMessage {
  uint64_t address = 0;
  uint32_t data = 0;

  friend bool operator==(const MsiMessage&, const MsiMessage&) = default;
};

/// Receives messages. Any thread, also with a device's mutex held, because it makes no callbacks.
class MsiSink {
 public:
  virtual ~MsiSink() = default;
  /// If no interrupt file takes the message, it is lost, as on hardware.
  virtual void signal_msi(const MsiMessage& message) noexcept = 0;

  /// From now on a write to `eventfd` sends `message`, without a thread of rvvmm. An earlier write that was not read
  /// yet sends it too. A second call for the same eventfd replaces the message. False if the hypervisor refuses; an
  /// earlier connection may then remain until disconnect_msi().
  virtual bool connect_msi(int /*eventfd*/, const MsiMessage& /*message*/) noexcept { return false; }
  /// Ends a connection. After this returns, writes to `eventfd` send no message and wait until they are read.
  virtual void disconnect_msi(int /*eventfd*/) noexcept {}
};

/// A hart's supervisor external interrupt pin, driven by a PLIC in user space. Any thread.
class HartIrqPin {
 public:
  virtual ~HartIrqPin() = default;
  virtual void set_external_interrupt(bool asserted) noexcept = 0;
};

}  // namespace rvvmm

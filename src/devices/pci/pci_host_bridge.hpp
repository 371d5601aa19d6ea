// The PCI host bridge as a function on its own bus: it only says what it is.
#pragma once

#include "devices/pci/pci_function.hpp"

namespace rvvmm {

/// 00:00.0, as firmware and operating systems know it from other boards. It has no BAR and no interrupt.
class PciHostBridge final : public PciFunction {
 public:
  /// `connections` are not used.
  explicit PciHostBridge(const PciConnections& connections) : PciFunction(kIdentity, connections) {}

  std::string_view name() const noexcept override { return "pci-host-bridge"; }

 private:
  // The numbers of QEMU's generic host bridge (include/hw/pci/pci.h and pci-ids.rst), which is not real hardware.
  // Class: PCI Local Bus 3.0, appendix D, host bridge.
  static constexpr PciIdentity kIdentity{.vendor = 0x1B36,
                                         .device = 0x0008,
                                         .class_code = 0x06'00'00,
                                         .subsystem_vendor = 0x1AF4,
                                         .subsystem = 0x1100,
                                         .has_pin = false};

  IoStatus load(uint8_t /*bar*/, uint64_t /*offset*/, std::span<std::byte> /*out*/) noexcept override {
    return IoStatus::kNoRegister;
  }
  IoStatus store(uint8_t /*bar*/, uint64_t /*offset*/, std::span<const std::byte> /*in*/) noexcept override {
    return IoStatus::kNoRegister;
  }
};

}  // namespace rvvmm

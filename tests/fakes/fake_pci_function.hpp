// A PCI function that remembers what was done to its BARs.
#pragma once

#include <array>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "devices/pci/pci_function.hpp"

namespace rvvmm {

/// BAR 0: 4 KiB of 32 bits. BAR 2: 8 KiB of 64 bits, with MSI-X of kVectors at kTable and kPending. Both are memory.
class FakePciFunction final : public PciFunction {
 public:
  static constexpr PciIdentity kIdentity{.vendor = 0x1234,
                                         .device = 0x5678,
                                         .revision = 0x9A,
                                         .class_code = 0xBC'DE'F0,
                                         .subsystem_vendor = 0x4321,
                                         .subsystem = 0x8765};
  static constexpr uint64_t kSmall = 4_KiB;
  static constexpr uint64_t kLarge = 8_KiB;
  static constexpr uint16_t kVectors = 3;
  static constexpr uint64_t kTable = 0x1000;
  static constexpr uint64_t kPending = 0x1800;

  explicit FakePciFunction(const PciConnections& connections) : PciFunction(kIdentity, connections) {
    add_bar(0, kSmall, false);
    add_bar(2, kLarge, true);
    add_msix(kVectors, 2, kTable, kPending);
    constexpr std::array kBody{std::byte{0x11}, std::byte{0x22}, std::byte{0x33}, std::byte{0x44}};
    constexpr std::array kMask{std::byte{0}, std::byte{0xFF}, std::byte{0x0F}, std::byte{0}};
    capability = add_capability(0x09, kBody, kMask);
  }

  std::string_view name() const noexcept override { return "fake"; }

  void want_interrupt(bool wanted) {
    const LockGuard lock{irq_mu_};
    set_intx(wanted);
  }
  void signal(uint16_t vector) {
    const LockGuard lock{irq_mu_};
    signal_msix(vector);
  }
  PciFunctionState state() {
    const LockGuard lock{mu_};
    return function_state();
  }
  void restore(const PciFunctionState& state) {
    const LockGuard lock{mu_};
    restore_function(state);
  }

  uint8_t capability = 0;
  std::vector<std::pair<uint8_t, std::optional<Gpa>>> moves;

 private:
  IoStatus load(uint8_t bar, uint64_t offset, std::span<std::byte> out) noexcept override {
    std::memcpy(out.data(), &memory_[bar][offset], out.size());
    return IoStatus::kOk;
  }
  IoStatus store(uint8_t bar, uint64_t offset, std::span<const std::byte> in) noexcept override {
    std::memcpy(&memory_[bar][offset], in.data(), in.size());
    return IoStatus::kOk;
  }
  void bar_moved(uint8_t bar, std::optional<Gpa> place) noexcept override { moves.emplace_back(bar, place); }

  std::array<std::array<std::byte, kLarge>, kBars> memory_{};
};

}  // namespace rvvmm

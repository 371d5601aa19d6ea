// A PCI host bridge with one bus: configuration space by ECAM (PCI Express 3.0, 7.2.2), two windows for BARs. Device 0
// of the bus is the bridge itself.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/irq.hpp"
#include "devices/device.hpp"
#include "devices/pci/pci_function.hpp"
#include "devices/pci/pci_host_bridge.hpp"
#include "devices/shared_line.hpp"

namespace rvvmm {

/// attach() while the machine is built, by one thread; the rest by any. Finding a function takes no lock: the list is
/// fixed, and the places of BARs are atomic. Where BARs overlap the function that was attached first answers.
class PciRoot {
 public:
  static constexpr uint8_t kDevices = 32;
  static constexpr uint8_t kFirstFreeDevice = 1;
  static constexpr uint8_t kLines = 4;
  static constexpr uint64_t kEcamSize = 1_MiB;  // one bus

  /// `lines`: inputs of the interrupt controller that the functions' pins share. Everything outlives the root.
  PciRoot(const PciWindows& windows, const std::array<IrqLine*, kLines>& lines);
  PciRoot(const PciRoot&) = delete;
  PciRoot& operator=(const PciRoot&) = delete;

  /// For PciConnections.
  const PciWindows& windows() const noexcept { return windows_; }
  /// Pin A of that device's function.
  IrqLine& pin(uint8_t device) noexcept { return pins_[device]; }
  /// Attaches the function as number 0 of that device, which is free. The function outlives the harts.
  void attach(uint8_t device, PciFunction& function);

  /// What belongs on the MMIO bus: ecam() at a place of kEcamSize bytes, the others at the windows. Only ecam() has a
  /// node in the device tree; it describes all three. Its interrupts are kLines inputs.
  Device& ecam() noexcept { return ecam_; }
  Device& low_window() noexcept { return low_window_; }
  Device& high_window() noexcept { return high_window_; }
  /// Whether `at` is in a window, and no BAR is there now. Any thread.
  bool is_hole(Gpa at) const noexcept;

 private:
  class Ecam final : public Device {
   public:
    explicit Ecam(const PciRoot& root) noexcept : root_(root) {}
    std::string_view name() const noexcept override { return "pci"; }
    IoStatus read(uint64_t offset, std::span<std::byte> out) noexcept override;
    IoStatus write(uint64_t offset, std::span<const std::byte> in) noexcept override;
    void describe(FdtBuilder& fdt, const FdtSlot& slot) const override;

   private:
    const PciRoot& root_;
  };

  class Window final : public Device {
   public:
    Window(const PciRoot& root, std::string_view name, Gpa base) noexcept : root_(root), name_(name), base_(base) {}
    std::string_view name() const noexcept override { return name_; }
    /// Names the function whose BAR is there now.
    DevicePlace place_of(uint64_t offset, bool is_write) const override;
    /// Its own name, and the names of the functions with a BAR, each once.
    void add_names(std::vector<std::string>& names) const override;
    /// A place without a BAR has no register.
    IoStatus read(uint64_t offset, std::span<std::byte> out) noexcept override;
    IoStatus write(uint64_t offset, std::span<const std::byte> in) noexcept override;
    void describe(FdtBuilder& /*fdt*/, const FdtSlot& /*slot*/) const override {}

   private:
    const PciRoot& root_;
    std::string_view name_;
    Gpa base_;
  };

  struct BarSlot {
    uint64_t size;
    const std::atomic<uint64_t>* place;
    PciFunction* function;
    uint8_t bar;
  };
  struct Hit {
    const BarSlot* slot = nullptr;
    uint64_t offset = 0;
  };

  static std::vector<SharedLine::Pin> pins(std::array<SharedLine, kLines>& lines);
  Hit find(Gpa at, uint64_t width) const noexcept;
  void describe_interrupts(FdtBuilder& fdt, const FdtSlot& slot) const;

  const PciWindows windows_;
  Ecam ecam_{*this};
  Window low_window_;
  Window high_window_;
  std::array<SharedLine, kLines> lines_;
  std::vector<SharedLine::Pin> pins_;  // by device
  PciHostBridge bridge_;
  std::array<PciFunction*, kDevices> functions_{};
  std::vector<BarSlot> bars_;
};

}  // namespace rvvmm

// The machine's address map and its list of devices. No other file knows these numbers.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/console.hpp"
#include "base/guest_memory.hpp"
#include "base/hypervisor.hpp"
#include "devices/mmio_bus.hpp"
#include "devices/pci/pci_root.hpp"
#include "devices/platform/goldfish_rtc.hpp"
#include "devices/platform/plic.hpp"
#include "devices/platform/test_finisher.hpp"
#include "devices/platform/uart16550.hpp"
#include "devices/shared_line.hpp"
#include "devices/virtio/virtio_mmio.hpp"
#include "devices/virtio/virtio_pci.hpp"
#include "observe/exit_names.hpp"
#include "vmm/boot/fdt_image.hpp"
#include "vmm/machine/interrupt_gate.hpp"
#include "vmm/machine/vm_io.hpp"
#include "vmm/options/config.hpp"

namespace rvvmm {

// The table "Address map" of docs/architecture.md shows these.
inline constexpr GpaRange kFinisherWindow{.base = Gpa{0x0010'0000}, .size = 4_KiB};
inline constexpr GpaRange kRtcWindow{.base = Gpa{0x0010'1000}, .size = 4_KiB};
inline constexpr Gpa kWaitPage{0x0010'2000};  // code that suspended harts execute (HartStates)
inline constexpr GpaRange kPlicWindow{.base = Gpa{0x0C00'0000}, .size = 64_MiB};
inline constexpr Gpa kAplicBase{0x0D00'0000};  // in the PLIC's window: a machine never has both
inline constexpr GpaRange kUartWindow{.base = Gpa{0x1000'0000}, .size = 0x100};
inline constexpr Gpa kVirtioMmioBase{0x1000'1000};  // one page for each device
inline constexpr Gpa kImsicBase{0x2800'0000};
inline constexpr GpaRange kPciEcamWindow{.base = Gpa{0x3000'0000}, .size = PciRoot::kEcamSize};
inline constexpr GpaRange kPciLowWindow{.base = Gpa{0x4000'0000}, .size = 1_GiB};
inline constexpr Gpa kRamBase{0x8000'0000};
/// The window starts after RAM if RAM reaches this address.
inline constexpr GpaRange kPciHighWindow{.base = Gpa{0x100'0000'0000}, .size = 64_GiB};

inline constexpr Gsi kUartGsi{10};
inline constexpr Gsi kRtcGsi{11};
inline constexpr Gsi kFirstPciGsi{12};  // one for each of INTA to INTD
inline constexpr Gsi kFirstVirtioMmioGsi{16};
/// The PLIC and the APLIC have the wired inputs 1..kSources.
inline constexpr uint32_t kSources = 95;

/// The interrupt controller that the host provides.
struct Irqchip {
  IrqchipKind kind = IrqchipKind::kPlic;
  AiaProperties aia;  ///< unused with kPlic
};

inline constexpr AiaLayout kAiaLayout{.imsic_base = kImsicBase, .aplic_base = kAplicBase, .sources = kSources};

class AiaIrqLine;

/// The devices of one machine, on their bus.
class Board final : public DeviceNames, public AddressMap {
 public:
  struct Parts {
    const Irqchip& irqchip;
    InterruptGate& interrupts;  ///< every interrupt of a device goes through it
    DoorbellHost& doorbells;
    ConsoleSink& console_out;
    ConsoleSource& console_in;
    AlarmTimer& rtc_alarm;
    FinishListener& finish_listener;
    const GuestMemory& memory;
    std::span<VirtioDevice* const> virtio;  ///< must outlive the board, which stops them
    Transport transport;
  };

  /// Throws SetupError.
  explicit Board(const Parts& parts);
  ~Board() override;

  MmioBus& bus() noexcept { return bus_; }
  GoldfishRtc& rtc() noexcept { return *rtc_; }
  Uart16550& uart() noexcept { return *uart_; }

  /// True if a device asserts its line, even if the controller does not deliver the interrupt. Messages are not
  /// counted: they reach the hart's interrupt file at once.
  bool asks_for_interrupt() const noexcept;
  /// With an AIA: makes the controller send the messages of all asserted lines again.
  void ask_again() noexcept;

  std::optional<RegisterPlace> place_of(Gpa at, bool is_write) const override;
  std::string what_is_at(Gpa at, bool is_write) const override;
  std::vector<std::string> device_names() const override { return bus_.device_names(); }
  std::vector<std::string> register_names(std::string_view device) const override {
    return bus_.register_names(device);
  }

  /// The device tree's description of the devices and of the interrupt controller.
  std::span<const FdtDevice> fdt_devices() const noexcept { return described_; }
  std::variant<FdtAia, FdtPlic> fdt_irqchip() const;
  static std::string_view stdout_path() noexcept { return "/soc/serial@10000000"; }

 private:
  IrqLine& line(const Parts& parts, Gsi gsi);
  /// Adds a device to the bus and to the device tree. `gsi`: nullopt if the device has no interrupt.
  template <typename Made>
  Made& add(std::unique_ptr<Made> made, const GpaRange& window, std::optional<Gsi> gsi) {
    Made& device = *made;
    devices_.push_back(std::move(made));
    attach({.device = &device, .window = window, .gsi = gsi}, device);
    return device;
  }
  void attach(const FdtDevice& described, Device& device);
  /// Makes a pin for each virtio device; returns the GSI of each device.
  std::vector<Gsi> deal_virtio_mmio_inputs(const Parts& parts);
  void attach_virtio_mmio(const Parts& parts);
  void attach_pci(const Parts& parts);

  Irqchip irqchip_;
  GpaRange ram_;
  uint64_t harts_;
  std::unique_ptr<Plic> plic_;  // null with an AIA
  std::vector<std::unique_ptr<AiaIrqLine>> aia_lines_;
  std::vector<std::unique_ptr<SharedLine>> virtio_mmio_lines_;
  std::vector<SharedLine::Pin> virtio_mmio_pins_;  // by device, dealt to the lines in turn
  std::unique_ptr<PciRoot> pci_root_;              // null if no device would be on the bus
  std::vector<std::unique_ptr<VirtioPci>> virtio_pci_;
  std::vector<std::unique_ptr<Device>> devices_;
  GoldfishRtc* rtc_ = nullptr;        // one of these
  Uart16550* uart_ = nullptr;         // one of these
  std::vector<FdtDevice> described_;  // in the order of their nodes
  MmioBus bus_;
};

}  // namespace rvvmm

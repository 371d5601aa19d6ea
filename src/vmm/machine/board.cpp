#include "vmm/machine/board.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <format>

#include "base/error.hpp"
#include "base/log.hpp"
#include "vmm/machine/interrupt_identities.hpp"

namespace rvvmm {

/// A wired input of the in-kernel APLIC. KVM takes a VM-wide lock for each call, so only changes are passed on. Calls
/// come one at a time, under the device's mutex, except ask_again().
class AiaIrqLine final : public IrqLine {
 public:
  AiaIrqLine(InterruptGate& interrupts, Gsi gsi) noexcept : interrupts_(interrupts), gsi_(gsi) {}

  void set(bool asserted) noexcept override {
    if (asserted_.exchange(asserted) != asserted) interrupts_.set_line(gsi_, asserted);
  }
  void assert_again() noexcept override { interrupts_.set_line(gsi_, true); }
  bool asserted() const noexcept { return asserted_; }
  void ask_again() noexcept {
    if (!asserted_) return;
    assert_again();
    if (!asserted_) interrupts_.set_line(gsi_, false);  // the device has deasserted it meanwhile
  }

 private:
  InterruptGate& interrupts_;
  Gsi gsi_;
  std::atomic<bool> asserted_ = false;
};

namespace {

GpaRange virtio_mmio_window(size_t index) noexcept {
  return {.base = kVirtioMmioBase + index * VirtioMmio::kWindowSize, .size = VirtioMmio::kWindowSize};
}
Gsi virtio_mmio_gsi(size_t line) noexcept {
  return Gsi{kFirstVirtioMmioGsi.value + static_cast<uint32_t>(line)};
}

/// The wired inputs that every machine uses: the UART's and the clock's.
constexpr size_t kOwnInputs = 2;

/// Devices that interrupt most often come first.
uint8_t rank_of(VirtioId id) noexcept {
  return id == VirtioId::kNet ? 0 : id == VirtioId::kBlock ? 1 : 2;
}

/// Logs which devices did not get all the vectors that they would like.
void log_shares(std::span<VirtioDevice* const> devices, std::span<const VectorWish> wishes,
                std::span<const uint16_t> vectors, uint32_t identities) {
  if (!log::enabled(log::Module::kVmm, log::Level::kInfo)) return;
  std::string sharing;
  std::string wired;
  for (size_t i = 0; i < devices.size(); ++i) {
    if (vectors[i] == wishes[i].vectors) continue;
    (vectors[i] == 0 ? wired : sharing) += std::format(" {}", devices[i]->name());
  }
  if (sharing.empty() && wired.empty()) return;
  log::line(log::Module::kVmm, log::Level::kInfo,
            "interrupts: {} identities are left for messages of PCI devices; devices with one vector for all "
            "queues:{}; devices with INTx and no messages:{}",
            identities, sharing.empty() ? " none" : sharing, wired.empty() ? " none" : wired);
}

/// The size of each device's MSI-X table. Each INTx line that a device is on uses a wired input too.
std::vector<uint16_t> msix_vectors(std::span<VirtioDevice* const> devices) {
  std::vector<VectorWish> wishes;
  for (const VirtioDevice* const device : devices)
    wishes.push_back({.vectors = VirtioPci::vectors_for(device->queue_sizes().size()), .rank = rank_of(device->id())});
  const size_t lines = std::min<size_t>(devices.size(), PciRoot::kLines);
  const uint32_t identities = identities_beside(kOwnInputs + lines);
  std::vector<uint16_t> vectors = share_vectors(wishes, identities);
  log_shares(devices, wishes, vectors, identities);
  return vectors;
}

SetupError too_many(size_t devices) {
  return {
      ExitStatus::kUsage,
      std::format("--transport: {} virtio devices are too many; give at most 31 with pci, or 79 with mmio", devices)};
}

}  // namespace

// THE list of devices: each is made and added here. The bus searches in this order, so the devices that guests use most
// come first.
Board::Board(const Parts& parts)
    : irqchip_(parts.irqchip), ram_(parts.memory.range()), harts_(parts.interrupts.harts()) {
  if (irqchip_.kind == IrqchipKind::kPlic) {
    plic_ = std::make_unique<Plic>(kSources, parts.interrupts.pins());
  }
  uart_ = &add(std::make_unique<Uart16550>(parts.console_out, parts.console_in, line(parts, kUartGsi)), kUartWindow,
               kUartGsi);
  if (plic_) bus_.attach(kPlicWindow, *plic_);
  rtc_ = &add(std::make_unique<GoldfishRtc>(line(parts, kRtcGsi), parts.rtc_alarm), kRtcWindow, kRtcGsi);
  add(std::make_unique<TestFinisher>(parts.finish_listener), kFinisherWindow, std::nullopt);
  if (!parts.virtio.empty()) {
    if (parts.transport == Transport::kPci) {
      attach_pci(parts);
    } else {
      attach_virtio_mmio(parts);
    }
  }
  bus_.freeze();
}

Board::~Board() = default;

void Board::attach_pci(const Parts& parts) {
  constexpr uint8_t kFirstDevice = PciRoot::kFirstFreeDevice;
  if (parts.virtio.size() > size_t{PciRoot::kDevices} - kFirstDevice) throw too_many(parts.virtio.size());
  const uint64_t high = std::max(kPciHighWindow.base.value, align_up(parts.memory.range().end().value, 1_GiB));
  const PciWindows windows{.low = kPciLowWindow, .high = {.base = Gpa{high}, .size = kPciHighWindow.size}};
  std::array<IrqLine*, PciRoot::kLines> lines{};
  for (uint32_t i = 0; i < lines.size(); ++i)
    lines[i] = &line(parts, Gsi{kFirstPciGsi.value + i});
  pci_root_ = std::make_unique<PciRoot>(windows, lines);
  const std::vector<uint16_t> vectors = plic_ ? std::vector<uint16_t>(parts.virtio.size()) : msix_vectors(parts.virtio);
  for (VirtioDevice* const device : parts.virtio) {
    const auto number = static_cast<uint8_t>(kFirstDevice + virtio_pci_.size());
    MsiSink* const msi = plic_ ? nullptr : static_cast<MsiSink*>(&parts.interrupts);
    virtio_pci_.push_back(std::make_unique<VirtioPci>(
        VirtioPci::Parts{.device = *device,
                         .memory = parts.memory,
                         .pci = {.windows = windows, .intx = pci_root_->pin(number), .msi = msi},
                         .doorbells = parts.doorbells,
                         .vectors = vectors[virtio_pci_.size()]}));
    pci_root_->attach(number, *virtio_pci_.back());
  }
  bus_.attach(windows.high, pci_root_->high_window());
  bus_.attach(windows.low, pci_root_->low_window());
  attach({.device = &pci_root_->ecam(), .window = kPciEcamWindow, .gsi = kFirstPciGsi, .inputs = PciRoot::kLines},
         pci_root_->ecam());
}

// Deals the devices in turn to as many inputs as there are identities for.
std::vector<Gsi> Board::deal_virtio_mmio_inputs(const Parts& parts) {
  const size_t devices = parts.virtio.size();
  const size_t inputs = plic_ ? devices : share_inputs(devices, identities_beside(kOwnInputs));
  for (size_t i = 0; i < inputs; ++i)
    virtio_mmio_lines_.push_back(std::make_unique<SharedLine>(line(parts, virtio_mmio_gsi(i))));
  if (inputs < devices) {
    log::line(log::Module::kVmm, log::Level::kInfo,
              "interrupts: {} identities are left for wired inputs of virtio devices; {} devices share them", inputs,
              devices);
  }
  std::vector<Gsi> gsis;
  virtio_mmio_pins_.reserve(devices);  // devices refer to them
  for (uint32_t pin = 0; gsis.size() < devices; ++pin) {
    for (size_t i = 0; i < inputs && gsis.size() < devices; ++i) {
      gsis.push_back(virtio_mmio_gsi(i));
      virtio_mmio_pins_.emplace_back(*virtio_mmio_lines_[i], pin);
    }
  }
  return gsis;
}

void Board::attach_virtio_mmio(const Parts& parts) {
  if (parts.virtio.size() > kSources - kFirstVirtioMmioGsi.value) throw too_many(parts.virtio.size());
  const std::vector<Gsi> gsis = deal_virtio_mmio_inputs(parts);
  for (size_t index = 0; index < parts.virtio.size(); ++index) {
    VirtioDevice& device = *parts.virtio[index];
    const GpaRange window = virtio_mmio_window(index);
    add(std::make_unique<VirtioMmio>(device, parts.memory, virtio_mmio_pins_[index]), window, gsis[index]);
    for (uint32_t queue = 0; queue < device.doorbells().size(); ++queue) {
      if (device.served_on_hart(static_cast<uint16_t>(queue))) continue;
      parts.doorbells.add_doorbell({.at = window.base + VirtioMmio::kDoorbellOffset,
                                    .width = sizeof(uint32_t),
                                    .match = queue,
                                    .eventfd = device.doorbells()[queue]});
    }
  }
}

void Board::attach(const FdtDevice& described, Device& device) {
  bus_.attach(described.window, device);
  described_.push_back(described);
}

IrqLine& Board::line(const Parts& parts, Gsi gsi) {
  if (plic_) return plic_->line(gsi);
  return *aia_lines_.emplace_back(std::make_unique<AiaIrqLine>(parts.interrupts, gsi));
}

bool Board::asks_for_interrupt() const noexcept {
  if (plic_) return plic_->asserted();
  return std::ranges::any_of(aia_lines_, [](const auto& line) { return line->asserted(); });
}

void Board::ask_again() noexcept {
  for (const auto& line : aia_lines_)
    line->ask_again();
}

std::variant<FdtAia, FdtPlic> Board::fdt_irqchip() const {
  if (!plic_) return FdtAia{.layout = kAiaLayout, .properties = irqchip_.aia};
  return FdtPlic{.describe = [this](FdtBuilder& fdt, std::span<const uint32_t> hart_intcs, uint32_t own_phandle) {
    plic_->describe_controller(fdt, {.window = kPlicWindow, .interrupts = {}}, hart_intcs, own_phandle);
  }};
}

std::optional<RegisterPlace> Board::place_of(Gpa at, bool is_write) const {
  auto place = bus_.place_of(at, is_write);
  if (!place) return std::nullopt;
  return RegisterPlace{.device = std::move(place->device), .reg = std::string{place->reg}, .offset = place->offset};
}

std::string Board::what_is_at(Gpa at, bool is_write) const {
  if (ram_.contains(at, 1)) return "RAM";
  if (GpaRange{.base = kWaitPage, .size = 4_KiB}.contains(at, 1)) return "rvvmm's own code";
  if (pci_root_ && pci_root_->is_hole(at)) return "";
  if (bus_.place_of(at, is_write)) return mmio_name(*this, at, is_write);
  if (plic_) return "";
  if (GpaRange{.base = kAplicBase, .size = kAplicSize}.contains(at, 1)) return "the interrupt controller (APLIC)";
  if (GpaRange{.base = kImsicBase, .size = harts_ * 4_KiB}.contains(at, 1)) {
    return std::format("the interrupt file of hart {} (IMSIC)", (at - kImsicBase) / 4_KiB);
  }
  return "";
}

}  // namespace rvvmm

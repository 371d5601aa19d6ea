#include "devices/pci/pci_root.hpp"

#include <algorithm>
#include <cassert>

namespace rvvmm {
namespace {

// PCI Express 3.0, table 7-1: where ECAM has device, function and register.
constexpr uint32_t kDeviceShift = 15;
constexpr uint32_t kFunctionShift = 12;
constexpr uint64_t kFunctionMask = 7;
constexpr uint64_t kRegisterMask = 0xFFF;

// IEEE 1275 PCI bus binding 2.1, 2.2.1.1: the space that the first cell of an address names.
constexpr uint32_t kFdtMemory32 = 0x0200'0000;
constexpr uint32_t kFdtMemory64 = 0x0300'0000;
constexpr uint32_t kFdtDeviceShift = 11;

/// Which input of the interrupt controller a pin (0: A) is wired to.
constexpr uint8_t line_of(uint8_t device, uint8_t pin) noexcept {
  return (device + pin) % PciRoot::kLines;
}

constexpr uint32_t upper(uint64_t value) noexcept {
  return static_cast<uint32_t>(value >> 32);
}
constexpr uint32_t lower(uint64_t value) noexcept {
  return static_cast<uint32_t>(value);
}

bool is_config_access(uint64_t offset, size_t width) noexcept {
  return width <= sizeof(uint32_t) && offset % width == 0;
}

}  // namespace

PciRoot::PciRoot(const PciWindows& windows, const std::array<IrqLine*, kLines>& lines)
    : windows_(windows),
      low_window_(*this, "pci-window-32", windows.low.base),
      high_window_(*this, "pci-window-64", windows.high.base),
      lines_{SharedLine{*lines[0]}, SharedLine{*lines[1]}, SharedLine{*lines[2]}, SharedLine{*lines[3]}},
      pins_(pins(lines_)),
      bridge_({.windows = windows, .intx = pins_[0]}) {
  attach(0, bridge_);
}

std::vector<SharedLine::Pin> PciRoot::pins(std::array<SharedLine, kLines>& lines) {
  std::vector<SharedLine::Pin> pins;
  pins.reserve(kDevices);
  for (uint8_t device = 0; device < kDevices; ++device)
    pins.emplace_back(lines[line_of(device, 0)], device);
  return pins;
}

void PciRoot::attach(uint8_t device, PciFunction& function) {
  assert(device < kDevices && functions_[device] == nullptr);
  functions_[device] = &function;
  for (uint8_t bar = 0; bar < PciFunction::kBars; ++bar) {
    if (const uint64_t size = function.bar_size(bar); size != 0) {
      bars_.push_back({.size = size, .place = &function.bar_place(bar), .function = &function, .bar = bar});
    }
  }
}

// A BAR is at a multiple of its size, so one comparison finds it; kNowhere is not such a multiple.
PciRoot::Hit PciRoot::find(Gpa at, uint64_t width) const noexcept {
  for (const BarSlot& slot : bars_) {
    if (align_down(at.value, slot.size) != slot.place->load(std::memory_order_acquire)) continue;
    const uint64_t offset = at.value & (slot.size - 1);
    if (width <= slot.size - offset) return {.slot = &slot, .offset = offset};
  }
  return {};
}

bool PciRoot::is_hole(Gpa at) const noexcept {
  return (windows_.low.contains(at, 1) || windows_.high.contains(at, 1)) && find(at, 1).slot == nullptr;
}

IoStatus PciRoot::Ecam::read(uint64_t offset, std::span<std::byte> out) noexcept {
  if (!is_config_access(offset, out.size())) return IoStatus::kBadWidth;
  PciFunction* const function = root_.functions_[offset >> kDeviceShift];
  if (function == nullptr || (offset >> kFunctionShift & kFunctionMask) != 0) {
    std::ranges::fill(out, std::byte{0xFF});  // means that no function is there: PCI Local Bus 3.0, 6.1
    return IoStatus::kOk;
  }
  function->read_config(offset & kRegisterMask, out);
  return IoStatus::kOk;
}

IoStatus PciRoot::Ecam::write(uint64_t offset, std::span<const std::byte> in) noexcept {
  if (!is_config_access(offset, in.size())) return IoStatus::kBadWidth;
  PciFunction* const function = root_.functions_[offset >> kDeviceShift];
  if (function == nullptr || (offset >> kFunctionShift & kFunctionMask) != 0) return IoStatus::kOk;
  function->write_config(offset & kRegisterMask, in);
  return IoStatus::kOk;
}

IoStatus PciRoot::Window::read(uint64_t offset, std::span<std::byte> out) noexcept {
  const Hit hit = root_.find(base_ + offset, out.size());
  if (hit.slot == nullptr) return IoStatus::kNoRegister;
  return hit.slot->function->read_bar(hit.slot->bar, hit.offset, out);
}

IoStatus PciRoot::Window::write(uint64_t offset, std::span<const std::byte> in) noexcept {
  const Hit hit = root_.find(base_ + offset, in.size());
  if (hit.slot == nullptr) return IoStatus::kNoRegister;
  return hit.slot->function->write_bar(hit.slot->bar, hit.offset, in);
}

DevicePlace PciRoot::Window::place_of(uint64_t offset, bool is_write) const {
  const Hit hit = root_.find(base_ + offset, 1);
  if (hit.slot == nullptr) return Device::place_of(offset, is_write);
  return {.device = std::string{hit.slot->function->name()}, .offset = hit.offset};
}

void PciRoot::Window::add_names(std::vector<std::string>& names) const {
  names.emplace_back(name_);
  for (const BarSlot& slot : root_.bars_) {
    if (!std::ranges::contains(names, slot.function->name())) names.emplace_back(slot.function->name());
  }
}

void PciRoot::Ecam::describe(FdtBuilder& fdt, const FdtSlot& slot) const {
  const auto node = fdt.node("pcie", slot.window.base.value);
  fdt.string("compatible", "pci-host-ecam-generic");
  fdt.string("device_type", "pci");
  fdt.reg({slot.window});
  fdt.u32("#address-cells", 3);
  fdt.u32("#size-cells", 2);
  fdt.cells("bus-range", {0, 0});
  fdt.u32("linux,pci-domain", 0);
  fdt.empty("dma-coherent");
  const auto& [low, high] = root_.windows_;
  std::vector<uint32_t> ranges;
  const auto add_range = [&ranges](uint32_t space, const GpaRange& window) {
    ranges.push_back(space);
    for (const uint64_t value : {window.base.value, window.base.value, window.size})  // same for bus and harts
      ranges.insert(ranges.end(), {upper(value), lower(value)});
  };
  add_range(kFdtMemory32, low);
  add_range(kFdtMemory64, high);
  fdt.cells("ranges", ranges);
  root_.describe_interrupts(fdt, slot);
}

// Devices kLines apart are wired alike, so only the low bits of a device's number count.
void PciRoot::describe_interrupts(FdtBuilder& fdt, const FdtSlot& slot) const {
  if (slot.msi_parent != 0) fdt.u32("msi-parent", slot.msi_parent);
  const std::span<const uint32_t> inputs{slot.interrupts};
  const size_t cells = inputs.size() / kLines;
  std::vector<uint32_t> map;
  for (uint8_t device = 0; device < kLines; ++device) {
    for (uint8_t pin = 0; pin < kLines; ++pin) {
      map.insert(map.end(), {uint32_t{device} << kFdtDeviceShift, 0, 0, pin + 1U, slot.interrupt_parent});
      const auto input = inputs.subspan(line_of(device, pin) * cells, cells);
      map.insert(map.end(), input.begin(), input.end());
    }
  }
  fdt.u32("#interrupt-cells", 1);
  fdt.cells("interrupt-map-mask", {uint32_t{kLines - 1} << kFdtDeviceShift, 0, 0, 7});
  fdt.cells("interrupt-map", map);
}

}  // namespace rvvmm

#include "devices/mmio_bus.hpp"

#include <algorithm>
#include <format>

#include "base/error.hpp"

namespace rvvmm {
namespace {

// The value of a load where nothing drives the bus.
void fill_ones(std::span<std::byte> out) noexcept {
  std::ranges::fill(out, std::byte{0xFF});
}

const char* describe(IoStatus status) noexcept {
  switch (status) {
    case IoStatus::kOk: return "ok";
    case IoStatus::kNoRegister: return "there is no such register";
    case IoStatus::kBadWidth: return "the register has another width";
  }
  return "unknown status";
}

SetupError refused(const GpaRange& window, const Device& device, const std::string& why) {
  return SetupError{ExitStatus::kInternal, std::format("device {} at {:#x}, {:#x} bytes: {}", device.name(),
                                                       window.base.value, window.size, why)};
}

}  // namespace

void MmioBus::attach(GpaRange window, Device& device) {
  if (frozen_) throw refused(window, device, "harts already run; attach devices before that");
  if (window.size == 0) throw refused(window, device, "the window is empty");
  if (window.size - 1 > UINT64_MAX - window.base.value) throw refused(window, device, "the window wraps at 2^64");
  for (const Slot& slot : slots_) {
    if (slot.window.overlaps(window)) {
      throw refused(window, device, std::format("overlaps {} at {:#x}", slot.device->name(), slot.window.base.value));
    }
  }
  slots_.push_back({.window = window, .device = &device});
  log::line(log::Module::kDevices, log::Level::kDebug, "{} at {:#x}, {:#x} bytes", device.name(), window.base.value,
            window.size);
}

std::optional<DevicePlace> MmioBus::place_of(Gpa at, bool is_write) const {
  const Slot* const slot = find(at, 1);
  if (slot == nullptr) return std::nullopt;
  return slot->device->place_of(at - slot->window.base, is_write);
}

std::vector<std::string> MmioBus::device_names() const {
  std::vector<std::string> names;
  for (const Slot& slot : slots_)
    slot.device->add_names(names);
  return names;
}

std::vector<std::string> MmioBus::register_names(std::string_view device) const {
  constexpr uint64_t kNamedBytes = 0x100;  // of a window: no device has register names beyond them
  std::vector<std::string> names;
  const auto add = [&](const DevicePlace& place) {
    if (place.device == device && !place.reg.empty() && !std::ranges::contains(names, place.reg))
      names.emplace_back(place.reg);
  };
  for (const Slot& slot : slots_) {
    for (uint64_t offset = 0; offset < std::min(kNamedBytes, slot.window.size); ++offset) {
      add(slot.device->place_of(offset, false));
      add(slot.device->place_of(offset, true));
    }
  }
  return names;
}

// Not inline: this keeps the accesses that succeed, which are inline, short.

[[gnu::cold]] void MmioBus::load_missed(Gpa at, std::span<std::byte> out) noexcept {
  fill_ones(out);
  report_miss({.verb = "load", .at = at, .width = out.size()});
}

[[gnu::cold]] void MmioBus::load_refused(IoStatus status, const Device& device, Gpa at,
                                         std::span<std::byte> out) noexcept {
  fill_ones(out);
  report_refusal(status, device, {.verb = "load", .at = at, .width = out.size()});
}

[[gnu::cold]] void MmioBus::report_miss(const Access& access) noexcept {
  if (!misses_.allow()) return;
  log::line(log::Module::kDevices, log::Level::kInfo,
            "no device at {:#x} for a {} of {} bytes; {} such accesses so far", access.at.value, access.verb,
            access.width, misses_.count());
}

[[gnu::cold]] void MmioBus::report_refusal(IoStatus status, const Device& device, const Access& access) noexcept {
  if (!refusals_.allow()) return;
  log::line(log::Module::kDevices, log::Level::kInfo, "{}: {} of {} bytes at {:#x}: {}; {} such accesses so far",
            device.name(), access.verb, access.width, access.at.value, describe(status), refusals_.count());
}

}  // namespace rvvmm

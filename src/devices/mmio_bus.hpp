// Routes guest-physical accesses to devices. Immutable once harts run.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.hpp"
#include "base/range.hpp"
#include "devices/device.hpp"

namespace rvvmm {

/// One thread calls attach() and freeze() while the machine is built; any thread calls read() and write() after that.
/// An access that no device takes, or that its device refuses, reads all ones and writes nothing. It is counted, and
/// logged at a limited rate.
class MmioBus {
 public:
  /// Gives `window` to `device`, which must outlive the bus. Throws SetupError (kInternal: the address map is ours)
  /// when the window is empty, goes beyond 2^64, or overlaps another, and after freeze(). Windows are searched in the
  /// order of attach(): attach the busiest device first.
  void attach(GpaRange window, Device& device);

  /// Ends the set-up.
  void freeze() noexcept { frozen_ = true; }

  /// Fills all of `out` (1, 2, 4 or 8 bytes, little endian). The whole access must be in one window.
  void read(Gpa at, std::span<std::byte> out) noexcept;
  void write(Gpa at, std::span<const std::byte> in) noexcept;

  /// What is at an address; nullopt: nothing.
  std::optional<DevicePlace> place_of(Gpa at, bool is_write) const;
  /// The device names that place_of() can return, in the order of the windows.
  std::vector<std::string> device_names() const;
  /// The register names that place_of() can return for a device, each once.
  std::vector<std::string> register_names(std::string_view device) const;

  /// Accesses outside all windows.
  uint64_t misses() noexcept { return misses_.count(); }
  /// Accesses that a device refused: no register there, or a width it does not have.
  uint64_t refusals() noexcept { return refusals_.count(); }

 private:
  struct Slot {
    GpaRange window;
    Device* device;
  };
  struct Access {
    const char* verb;
    Gpa at;
    size_t width;
  };

  const Slot* find(Gpa at, uint64_t len) const noexcept;
  void report_miss(const Access& access) noexcept;
  void report_refusal(IoStatus status, const Device& device, const Access& access) noexcept;
  void load_missed(Gpa at, std::span<std::byte> out) noexcept;
  void load_refused(IoStatus status, const Device& device, Gpa at, std::span<std::byte> out) noexcept;

  std::vector<Slot> slots_;  // as attached
  bool frozen_ = false;
  log::RateLimit misses_{"no device there"};
  log::RateLimit refusals_{"refused by a device"};
};

// A handful of windows: walking them costs less than a search.
inline const MmioBus::Slot* MmioBus::find(Gpa at, uint64_t len) const noexcept {
  assert(frozen_);
  for (const Slot& slot : slots_) {
    if (slot.window.contains(at, len)) return &slot;
  }
  return nullptr;
}

inline void MmioBus::read(Gpa at, std::span<std::byte> out) noexcept {
  const Slot* const slot = find(at, out.size());
  if (slot == nullptr) [[unlikely]]
    return load_missed(at, out);
  const IoStatus status = slot->device->read(at - slot->window.base, out);
  if (status != IoStatus::kOk) [[unlikely]]
    load_refused(status, *slot->device, at, out);
}

inline void MmioBus::write(Gpa at, std::span<const std::byte> in) noexcept {
  const Slot* const slot = find(at, in.size());
  if (slot == nullptr) [[unlikely]]
    return report_miss({.verb = "store", .at = at, .width = in.size()});
  const IoStatus status = slot->device->write(at - slot->window.base, in);
  if (status != IoStatus::kOk) [[unlikely]]
    report_refusal(status, *slot->device, {.verb = "store", .at = at, .width = in.size()});
}

}  // namespace rvvmm

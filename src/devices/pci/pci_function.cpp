#include "devices/pci/pci_function.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstring>

namespace rvvmm {
namespace {

// PCI Local Bus 3.0, figure 6-1.
enum ConfigRegister : uint8_t {
  kConfigVendorId = 0x00,
  kConfigDeviceId = 0x02,
  kCommand = 0x04,
  kConfigStatus = 0x06,
  kRevisionId = 0x08,
  kClassCode = 0x09,
  kCacheLineSize = 0x0C,
  kBar0 = 0x10,
  kSubsystemVendorId = 0x2C,
  kSubsystemId = 0x2E,
  kCapabilitiesPointer = 0x34,
  kInterruptLine = 0x3C,
  kInterruptPin = 0x3D,
  kFirstCapability = 0x40,
};

// 6.2.2 and 6.2.3.
constexpr uint16_t kCommandMemory = 1U << 1;
constexpr uint16_t kCommandBusMaster = 1U << 2;
constexpr uint16_t kCommandInterruptDisable = 1U << 10;
constexpr uint16_t kCommandWritable = kCommandMemory | kCommandBusMaster | kCommandInterruptDisable;
constexpr uint16_t kStatusInterrupt = 1U << 3;
constexpr uint16_t kStatusCapabilities = 1U << 4;

// 6.2.5.1.
constexpr uint32_t kBar64Bits = 2U << 1;
constexpr uint32_t kBarFlags = 0xF;

// 6.8.2.3.
constexpr uint8_t kMsixCapability = 0x11;
constexpr uint64_t kMsixControl = 2;  // from the start of the capability
constexpr uint16_t kMsixFunctionMask = 1U << 14;
constexpr uint16_t kMsixEnable = 1U << 15;

template <typename T>
void put(std::span<std::byte> config, size_t offset, T value) noexcept {
  std::memcpy(&config[offset], &value, sizeof value);
}

}  // namespace

PciFunction::PciFunction(const PciIdentity& identity, const PciConnections& connections)
    : windows_(connections.windows), pin_(connections.intx), msi_(connections.msi), free_config_(kFirstCapability) {
  for (auto& place : places_)
    place.store(kNowhere, std::memory_order_relaxed);
  put(config_, kConfigVendorId, identity.vendor);
  put(config_, kConfigDeviceId, identity.device);
  put(config_, kRevisionId, identity.revision | identity.class_code << 8);
  put(config_, kSubsystemVendorId, identity.subsystem_vendor);
  put(config_, kSubsystemId, identity.subsystem);
  put(config_, kInterruptPin, static_cast<uint8_t>(identity.has_pin ? 1 : 0));
  put(writable_, kCommand, kCommandWritable);
  put(writable_, kCacheLineSize, uint8_t{0xFF});
  put(writable_, kInterruptLine, uint8_t{0xFF});
}

void PciFunction::add_bar(uint8_t bar, uint64_t size, bool wide) {
  assert(std::has_single_bit(size) && size >= 16 && bar + (wide ? 1 : 0) < kBars);
  bars_[bar] = {.size = size, .wide = wide};
  const size_t at = kBar0 + size_t{bar} * 4;
  const uint64_t mask = ~(size - 1);
  put(writable_, at, static_cast<uint32_t>(mask));
  if (!wide) return;
  put(config_, at, kBar64Bits);
  put(writable_, at + 4, static_cast<uint32_t>(mask >> 32));
}

uint8_t PciFunction::add_capability(uint8_t id, std::span<const std::byte> body, std::span<const std::byte> writable) {
  assert(body.size() == writable.size() && free_config_ + 2 + body.size() <= kConfigSize);
  const uint8_t at = free_config_;
  put(config_, last_capability_ == 0 ? kCapabilitiesPointer : last_capability_ + 1, at);
  put(config_, kConfigStatus, kStatusCapabilities);
  put(config_, at, id);
  std::ranges::copy(body, &config_[at + 2U]);
  std::ranges::copy(writable, &writable_[at + 2U]);
  last_capability_ = at;
  free_config_ = static_cast<uint8_t>(align_up(at + 2 + body.size(), 4));
  return at;
}

void PciFunction::add_msix(uint16_t vectors, uint8_t bar, uint64_t table_offset, uint64_t pending_offset) {
  if (msi_ == nullptr) return;
  std::array<std::byte, 10> body{};
  std::array<std::byte, 10> writable{};
  put(body, 0, static_cast<uint16_t>(vectors - 1));
  put(body, 2, static_cast<uint32_t>(table_offset | bar));
  put(body, 6, static_cast<uint32_t>(pending_offset | bar));
  put(writable, 0, static_cast<uint16_t>(kMsixEnable | kMsixFunctionMask));
  const uint64_t pending_bytes = align_up(vectors, 64) / 8;
  msix_place_ = {.capability = add_capability(kMsixCapability, body, writable),
                 .bar = bar,
                 .table = {.base = Gpa{table_offset}, .size = vectors * MsixTable::kEntrySize},
                 .pending = {.base = Gpa{pending_offset}, .size = pending_bytes}};
  msix_.emplace(vectors, *msi_);
}

uint16_t PciFunction::config16(uint64_t offset) const noexcept {
  uint16_t value = 0;
  std::memcpy(&value, &config_[offset], sizeof value);
  return value;
}

uint32_t PciFunction::config32(uint64_t offset) const noexcept {
  uint32_t value = 0;
  std::memcpy(&value, &config_[offset], sizeof value);
  return value;
}

void PciFunction::read_config(uint64_t offset, std::span<std::byte> out) noexcept {
  const LockGuard lock{mu_};
  if (offset >= kConfigSize) {
    std::ranges::fill(out, std::byte{0});
    return;
  }
  {
    const LockGuard irq_lock{irq_mu_};
    const bool shown = intx_wanted_ && !msix_enabled();
    const auto others = static_cast<uint16_t>(config16(kConfigStatus) & ~kStatusInterrupt);
    put(config_, kConfigStatus, static_cast<uint16_t>(others | (shown ? kStatusInterrupt : 0)));
  }
  before_config_read(offset, out.size());
  std::memcpy(out.data(), &config_[offset], out.size());
}

void PciFunction::write_config(uint64_t offset, std::span<const std::byte> in) noexcept {
  const LockGuard lock{mu_};
  if (offset >= kConfigSize) return;
  for (size_t i = 0; i < in.size(); ++i) {
    const std::byte mask = writable_[offset + i];
    config_[offset + i] = (config_[offset + i] & ~mask) | (in[i] & mask);
  }
  apply_config();
  after_config_write(offset, in.size());
}

// Called rarely, so it finds out what has changed by comparing.
void PciFunction::apply_config() noexcept {
  const uint16_t command = config16(kCommand);
  place_bars(command);
  const LockGuard lock{irq_mu_};
  intx_disabled_ = (command & kCommandInterruptDisable) != 0;
  if (msix_) {
    const uint16_t control = config16(msix_place_.capability + kMsixControl);
    msix_->set_control((control & kMsixEnable) != 0, (control & kMsixFunctionMask) != 0);
    msix_changed();
  }
  drive_pin();
}

void PciFunction::place_bars(uint16_t command) noexcept {
  for (uint8_t bar = 0; bar < kBars; ++bar) {
    if (bars_[bar].size == 0) continue;
    const auto place = (command & kCommandMemory) != 0 ? decoded_place(bar) : std::nullopt;
    const uint64_t value = place ? place->value : kNowhere;
    if (places_[bar].load(std::memory_order_relaxed) == value) continue;
    places_[bar].store(value, std::memory_order_release);
    bar_moved(bar, place);
  }
}

std::optional<Gpa> PciFunction::decoded_place(uint8_t bar) const noexcept {
  const size_t at = kBar0 + size_t{bar} * 4;
  const uint64_t upper = bars_[bar].wide ? config32(at + 4) : 0;
  const Gpa place{upper << 32 | (config32(at) & ~kBarFlags)};
  if (!windows_.contain({.base = place, .size = bars_[bar].size})) return std::nullopt;
  return place;
}

bool PciFunction::is_bus_master() const noexcept {
  return (config16(kCommand) & kCommandBusMaster) != 0;
}

void PciFunction::set_intx(bool wanted) noexcept {
  intx_wanted_ = wanted;
  drive_pin();
}

void PciFunction::drive_pin() noexcept {
  const bool high = intx_wanted_ && !intx_disabled_ && !msix_enabled();
  if (high == pin_high_) return;
  pin_high_ = high;
  pin_.set(high);
}

bool PciFunction::is_msix(uint8_t bar, uint64_t offset) const noexcept {
  if (msix_place_.capability == 0 || bar != msix_place_.bar) return false;
  return msix_place_.table.contains(Gpa{offset}, 1) || msix_place_.pending.contains(Gpa{offset}, 1);
}

IoStatus PciFunction::read_msix(uint64_t offset, std::span<std::byte> out) noexcept {
  const LockGuard lock{irq_mu_};
  if (msix_place_.table.contains(Gpa{offset}, 1)) return msix_->read_table(Gpa{offset} - msix_place_.table.base, out);
  return msix_->read_pending(Gpa{offset} - msix_place_.pending.base, out);
}

IoStatus PciFunction::write_msix(uint64_t offset, std::span<const std::byte> in) noexcept {
  const LockGuard lock{irq_mu_};
  // Pending bits: what is written to them is undefined (6.8.2.9).
  if (!msix_place_.table.contains(Gpa{offset}, 1)) return IoStatus::kOk;
  const IoStatus status = msix_->write_table(Gpa{offset} - msix_place_.table.base, in);
  if (status == IoStatus::kOk) msix_changed();
  return status;
}

IoStatus PciFunction::read_bar(uint8_t bar, uint64_t offset, std::span<std::byte> out) noexcept {
  if (is_msix(bar, offset)) return read_msix(offset, out);
  const LockGuard lock{mu_};
  return load(bar, offset, out);
}

IoStatus PciFunction::write_bar(uint8_t bar, uint64_t offset, std::span<const std::byte> in) noexcept {
  if (is_msix(bar, offset)) return write_msix(offset, in);
  const LockGuard lock{mu_};
  return store(bar, offset, in);
}

IoStatus PciFunction::read_bar_locked(uint8_t bar, uint64_t offset, std::span<std::byte> out) noexcept {
  return is_msix(bar, offset) ? read_msix(offset, out) : load(bar, offset, out);
}

IoStatus PciFunction::write_bar_locked(uint8_t bar, uint64_t offset, std::span<const std::byte> in) noexcept {
  return is_msix(bar, offset) ? write_msix(offset, in) : store(bar, offset, in);
}

PciFunctionState PciFunction::function_state() {
  const LockGuard lock{irq_mu_};
  PciFunctionState state{.config = config_, .intx = intx_wanted_, .msix = msix_ ? msix_->state() : MsixState{}};
  put(state.config, kConfigStatus,
      static_cast<uint16_t>(config16(kConfigStatus) & ~kStatusInterrupt));  // follows from the rest
  return state;
}

void PciFunction::restore_function(const PciFunctionState& state) noexcept {
  for (size_t i = 0; i < kConfigSize; ++i)
    config_[i] = (config_[i] & ~writable_[i]) | (state.config[i] & writable_[i]);
  {
    const LockGuard lock{irq_mu_};
    intx_wanted_ = state.intx;
    if (msix_) msix_->restore(state.msix);
  }
  apply_config();
}

}  // namespace rvvmm

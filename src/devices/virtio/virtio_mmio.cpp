#include "devices/virtio/virtio_mmio.hpp"

#include <cstring>
#include <utility>

namespace rvvmm {
namespace {

// virtio 1.2, 4.2.2.
enum Register : uint64_t {
  kMagicValue = 0x000,
  kVersion = 0x004,
  kDeviceId = 0x008,
  kVendorId = 0x00C,
  kDeviceFeatures = 0x010,
  kDeviceFeaturesSel = 0x014,
  kDriverFeatures = 0x020,
  kDriverFeaturesSel = 0x024,
  kQueueSel = 0x030,
  kQueueNumMax = 0x034,
  kQueueNum = 0x038,
  kQueueReady = 0x044,
  kQueueNotify = VirtioMmio::kDoorbellOffset,
  kInterruptStatus = 0x060,
  kInterruptAck = 0x064,
  kStatus = 0x070,
  kQueueDescLow = 0x080,
  kQueueDescHigh = 0x084,
  kQueueDriverLow = 0x090,
  kQueueDriverHigh = 0x094,
  kQueueDeviceLow = 0x0A0,
  kQueueDeviceHigh = 0x0A4,
  kShmSel = 0x0AC,
  kShmLenLow = 0x0B0,
  kShmBaseHigh = 0x0BC,
  kConfigGeneration = 0x0FC,
  kConfig = 0x100,
};

constexpr uint32_t kMagic = 0x7472'6976;       // "virt"
constexpr uint32_t kMmioVendor = 0x4D56'5652;  // "RVVM"

}  // namespace

DevicePlace VirtioMmio::place_of(uint64_t offset, bool is_write) const {
  return {.device = std::string{device_name_}, .offset = offset, .reg = register_name(offset, is_write)};
}

std::string_view VirtioMmio::register_name(uint64_t offset, bool /*is_write*/) const noexcept {
  switch (offset) {
    case kQueueNotify: return "queue_notify";
    case kInterruptStatus: return "interrupt_status";
    case kInterruptAck: return "interrupt_ack";
    case kStatus: return "status";
    default: return {};
  }
}

void VirtioMmio::describe(FdtBuilder& fdt, const FdtSlot& slot) const {
  const auto node = fdt.node("virtio_mmio", slot.window.base.value);
  fdt.string("compatible", "virtio,mmio");
  fdt.reg({slot.window});
  fdt.cells("interrupts", slot.interrupts);
  fdt.empty("dma-coherent");
}

IoStatus VirtioMmio::read(uint64_t offset, std::span<std::byte> out) noexcept {
  const LockGuard lock{mu_};
  if (offset >= kConfig) {
    control_.device().read_config(offset - kConfig, out);
    return IoStatus::kOk;
  }
  if (out.size() != sizeof(uint32_t)) return IoStatus::kBadWidth;
  uint32_t value = 0;
  const IoStatus status = read_register(offset, value);
  std::memcpy(out.data(), &value, sizeof value);
  return status;
}

IoStatus VirtioMmio::read_register(uint64_t offset, uint32_t& value) noexcept {
  switch (offset) {
    case kMagicValue: value = kMagic; break;
    case kVersion: value = 2; break;
    case kDeviceId: value = static_cast<uint32_t>(control_.device().id()); break;
    case kVendorId: value = kMmioVendor; break;
    case kDeviceFeatures: value = control_.device_features(device_features_word_); break;
    case kQueueNumMax: value = control_.queue(queue_) == nullptr ? 0 : control_.device().queue_sizes()[queue_]; break;
    case kQueueReady: {
      const VirtioQueueSetup* const queue = control_.queue(queue_);
      value = queue != nullptr && queue->enabled ? 1 : 0;
      break;
    }
    case kInterruptStatus: value = interrupt_status(); break;
    case kStatus: value = control_.status(); break;
    case kConfigGeneration: value = control_.config_generation(); break;
    default:
      // There are no shared memory regions: their length reads as all ones (4.2.2).
      if (offset < kShmLenLow || offset > kShmBaseHigh || offset % 4 != 0) return IoStatus::kNoRegister;
      value = UINT32_MAX;
  }
  return IoStatus::kOk;
}

IoStatus VirtioMmio::write(uint64_t offset, std::span<const std::byte> in) noexcept {
  const LockGuard lock{mu_};
  if (offset >= kConfig) {
    control_.device().write_config(offset - kConfig, in);
    return IoStatus::kOk;
  }
  uint32_t value = 0;
  if (in.size() != sizeof value) return IoStatus::kBadWidth;
  std::memcpy(&value, in.data(), sizeof value);
  return write_register(offset, value);
}

IoStatus VirtioMmio::write_register(uint64_t offset, uint32_t value) noexcept {
  switch (offset) {
    case kDeviceFeaturesSel: device_features_word_ = value; break;
    case kDriverFeaturesSel: driver_features_word_ = value; break;
    case kDriverFeatures: control_.set_driver_features(driver_features_word_, value); break;
    case kQueueSel: queue_ = value; break;
    case kQueueNum: control_.set_queue_size(queue_, value); break;
    case kQueueReady: set_queue_ready(value); break;
    case kQueueNotify: control_.kick(value); break;
    case kInterruptAck: acknowledge(value); break;
    case kStatus: set_status(static_cast<uint8_t>(value)); break;
    case kQueueDescLow:
    case kQueueDescHigh:
    case kQueueDriverLow:
    case kQueueDriverHigh:
    case kQueueDeviceLow:
    case kQueueDeviceHigh: set_queue_address(offset, value); break;
    case kShmSel: break;  // there is no region to select
    default: return IoStatus::kNoRegister;
  }
  return IoStatus::kOk;
}

void VirtioMmio::set_status(uint8_t status) noexcept {
  control_.set_status(status);
  if (status == 0) acknowledge(UINT32_MAX);
}

void VirtioMmio::set_queue_address(uint64_t offset, uint32_t value) noexcept {
  VirtioQueueSetup* const queue = control_.queue_to_set_up(queue_);
  if (queue == nullptr) return;
  Gpa& address = offset < kQueueDriverLow   ? queue->layout.descriptors
                 : offset < kQueueDeviceLow ? queue->layout.driver_area
                                            : queue->layout.device_area;
  address = with_half(address, (offset & 4) != 0, value);
}

void VirtioMmio::set_queue_ready(uint32_t value) noexcept {
  if (value == 0) return control_.disable_queue(queue_);
  if (VirtioQueueSetup* const queue = control_.queue_to_set_up(queue_)) queue->enabled = true;
}

VirtioMmioState VirtioMmio::state() {
  const LockGuard lock{mu_};
  // The interrupts last: until the device is stopped, it may raise one for finished requests.
  VirtioControlState control = control_.state();
  return {.control = std::move(control),
          .causes = static_cast<uint8_t>(interrupt_status()),
          .device_features_word = device_features_word_,
          .driver_features_word = driver_features_word_,
          .queue = queue_};
}

void VirtioMmio::restore(const VirtioMmioState& state) {
  const LockGuard lock{mu_};
  acknowledge(UINT32_MAX);
  if (const auto causes = static_cast<uint8_t>(state.causes & kAllVirtioInterruptCauses)) raise(causes);
  device_features_word_ = state.device_features_word;
  driver_features_word_ = state.driver_features_word;
  queue_ = state.queue;
  control_.restore(state.control);
}

void VirtioMmio::interrupt_queue(uint16_t /*queue*/) noexcept {
  raise(kVirtioQueueInterrupt);
}

void VirtioMmio::interrupt_config() noexcept {
  raise(kVirtioConfigInterrupt);
}

void VirtioMmio::raise(uint8_t cause) noexcept {
  const LockGuard lock{irq_mu_};
  causes_ = static_cast<uint8_t>(causes_ | cause);
  irq_.set(true);
}

void VirtioMmio::acknowledge(uint32_t causes) noexcept {
  const LockGuard lock{irq_mu_};
  causes_ = static_cast<uint8_t>(causes_ & ~causes);
  irq_.set(causes_ != 0);
}

uint32_t VirtioMmio::interrupt_status() noexcept {
  const LockGuard lock{irq_mu_};
  return causes_;
}

}  // namespace rvvmm

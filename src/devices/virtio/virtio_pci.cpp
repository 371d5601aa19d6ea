#include "devices/virtio/virtio_pci.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace rvvmm {
namespace {

constexpr uint16_t kPciVendor = 0x1AF4;
constexpr uint16_t kFirstDeviceId = 0x1040;  // 4.1.2: plus the virtio device id
constexpr uint8_t kRevision = 1;

// Base class, sub-class and interface: PCI Local Bus 3.0, appendix D. Guests expect these.
uint32_t class_code(VirtioId id) noexcept {
  switch (id) {
    case VirtioId::kNet: return 0x02'00'00;      // Ethernet
    case VirtioId::kBlock: return 0x01'00'00;    // SCSI storage
    case VirtioId::kConsole: return 0x07'80'00;  // other communication
    case VirtioId::kEntropy: return 0x00'FF'00;  // nothing that has a class
    case VirtioId::kInput: return 0x09'80'00;    // other input
  }
  return 0xFF'00'00;
}

PciIdentity identity(const VirtioDevice& device) noexcept {
  const auto id = static_cast<uint16_t>(kFirstDeviceId + static_cast<uint16_t>(device.id()));
  return {.vendor = kPciVendor,
          .device = id,
          .revision = kRevision,
          .class_code = class_code(device.id()),
          .subsystem_vendor = kPciVendor,
          .subsystem = id};
}

// 4.1.4: struct virtio_pci_cap, and the values of cfg_type.
constexpr uint8_t kVendorCapability = 0x09;
enum CapabilityType : uint8_t { kCommonCfg = 1, kNotifyCfg = 2, kIsrCfg = 3, kDeviceCfg = 4, kPciCfg = 5 };
constexpr uint8_t kCapBar = 4;
constexpr uint8_t kCapOffset = 8;
constexpr uint8_t kCapLength = 12;
constexpr uint8_t kCapSize = 16;
constexpr uint8_t kCapData = 16;  // the extra field of some types: 4.1.4.4 and 4.1.4.9
constexpr uint8_t kLongCapSize = 20;

/// A capability after its id and next pointer.
struct CapabilityBody {
  uint8_t length = kCapSize;
  CapabilityType type = kCommonCfg;
  uint8_t bar = VirtioPci::kBar;
  std::array<uint8_t, 3> unused{};
  uint32_t offset = 0;
  uint32_t size = 0;
  uint32_t extra = 0;

  std::span<const std::byte> bytes() const noexcept { return std::as_bytes(std::span{this, 1}).first(length - 2U); }
} __attribute__((packed));

// 4.1.4.3: struct virtio_pci_common_cfg, without what belongs to features that are not offered.
enum CommonRegister : uint8_t {
  kDeviceFeatureSelect = 0x00,
  kDeviceFeature = 0x04,
  kDriverFeatureSelect = 0x08,
  kDriverFeature = 0x0C,
  kConfigMsixVector = 0x10,
  kNumQueues = 0x12,
  kDeviceStatus = 0x14,
  kCommonConfigGeneration = 0x15,
  kQueueSelect = 0x16,
  kQueueSize = 0x18,
  kQueueMsixVector = 0x1A,
  kQueueEnable = 0x1C,
  kQueueNotifyOff = 0x1E,
  kQueueDesc = 0x20,
  kQueueDriver = 0x28,
  kQueueDevice = 0x30,
  kCommonSize = 0x38,
};

/// The width of the register that begins at `offset`; 0: none begins there. A 64-bit one is two of 32 bits: 4.1.3.1.
size_t common_width(uint64_t offset) noexcept {
  if (offset == kDeviceStatus || offset == kCommonConfigGeneration) return 1;
  if (offset >= kConfigMsixVector && offset < kQueueDesc) return offset % 2 == 0 ? 2 : 0;
  return offset < kCommonSize && offset % 4 == 0 ? 4 : 0;
}

IoStatus check_common(uint64_t offset, size_t width) noexcept {
  const size_t wanted = common_width(offset);
  if (wanted == 0) return IoStatus::kNoRegister;
  const bool whole_address = width == 8 && offset >= kQueueDesc && offset % 8 == 0;
  return width == wanted || whole_address ? IoStatus::kOk : IoStatus::kBadWidth;
}

template <typename Layout>
auto& queue_address(Layout& layout, uint64_t offset) noexcept {
  return offset < kQueueDriver ? layout.descriptors : offset < kQueueDevice ? layout.driver_area : layout.device_area;
}

constexpr bool overlaps(uint64_t a, size_t a_size, uint64_t b, size_t b_size) noexcept {
  return a < b + b_size && b < a + a_size;
}

}  // namespace

VirtioPci::VirtioPci(const Parts& parts)
    : PciFunction(identity(parts.device), parts.pci),
      doorbell_host_(parts.doorbells),
      name_(parts.device.name()),
      queue_vectors_(parts.device.queue_sizes().size(), kNoVector),
      calls_(parts.device.calls()),
      connected_(calls_.size()),
      control_(parts.device, parts.memory, *this) {
  assert(queue_vectors_.size() <= kMostQueues);
  add_bar(kBar, kBarSize, true);
  const uint16_t vectors = std::min(parts.vectors, vectors_for(queue_vectors_.size()));
  if (vectors != 0) add_msix(vectors, kBar, kMsixTableOffset, kMsixPendingOffset);
  add_capabilities();
  doorbells_.reserve(parts.device.doorbells().size());
}

VirtioPci::~VirtioPci() {
  remove_doorbells();
  for (size_t queue = 0; queue < calls_.size(); ++queue)
    connect_call(queue, std::nullopt);
}

void VirtioPci::add_capabilities() {
  const auto notify_size = control_.queue_count() * kNotifyStride;
  const CapabilityBody read_only[] = {
      {.type = kCommonCfg, .offset = kCommonOffset, .size = kCommonSize},
      {.length = kLongCapSize,
       .type = kNotifyCfg,
       .offset = kNotifyOffset,
       .size = notify_size,
       .extra = kNotifyStride},
      {.type = kIsrCfg, .offset = kIsrOffset, .size = 1},
      {.type = kDeviceCfg, .offset = kConfigOffset, .size = kNotifyOffset - kConfigOffset},
  };
  static constexpr std::array<std::byte, kLongCapSize> kNothing{};
  for (const CapabilityBody& body : read_only)
    add_capability(kVendorCapability, body.bytes(), std::span{kNothing}.first(body.bytes().size()));
  const CapabilityBody window{.length = kLongCapSize, .type = kPciCfg, .bar = 0};
  CapabilityBody writable{.length = kLongCapSize, .offset = UINT32_MAX, .size = UINT32_MAX, .extra = UINT32_MAX};
  std::array<std::byte, kLongCapSize - 2> mask{};
  std::ranges::copy(writable.bytes(), mask.begin());
  mask[0] = mask[1] = std::byte{0};
  mask[kCapBar - 2] = std::byte{0xFF};
  window_capability_ = add_capability(kVendorCapability, window.bytes(), mask);
}

// Access through configuration space, 4.1.4.9: for a driver that cannot reach the BAR. Each read or write of the data
// makes the access.
std::optional<VirtioPci::Window> VirtioPci::window() noexcept {
  const std::byte* const capability = &config()[window_capability_];
  uint32_t offset = 0;
  uint32_t width = 0;
  std::memcpy(&offset, capability + kCapOffset, sizeof offset);
  std::memcpy(&width, capability + kCapLength, sizeof width);
  if (std::to_integer<uint8_t>(capability[kCapBar]) != kBar || (width != 1 && width != 2 && width != 4)) return {};
  if (offset % width != 0 || offset > kBarSize - width) return {};
  return Window{.offset = offset, .width = width};
}

bool VirtioPci::is_window_data(uint64_t offset, size_t width) const noexcept {
  return overlaps(offset, width, window_capability_ + uint64_t{kCapData}, sizeof(uint32_t));
}

void VirtioPci::before_config_read(uint64_t offset, size_t width) noexcept {
  if (!is_window_data(offset, width)) return;
  const auto access = window();
  if (!access) return;
  const auto data = config().subspan(window_capability_ + size_t{kCapData}, access->width);
  if (read_bar_locked(kBar, access->offset, data) != IoStatus::kOk) std::ranges::fill(data, std::byte{0xFF});
}

void VirtioPci::after_config_write(uint64_t offset, size_t width) noexcept {
  follow_bus_master();
  if (!is_window_data(offset, width)) return;
  const auto access = window();
  if (!access) return;
  // What the device refuses has no effect, as everywhere.
  write_bar_locked(kBar, access->offset, config().subspan(window_capability_ + size_t{kCapData}, access->width));
}

// Before Linux starts another kernel by kexec, it only takes bus mastering away: no packet may be written to a former
// buffer. A device that is started without bus mastering is served anyway: not all drivers ask for it.
void VirtioPci::follow_bus_master() noexcept {
  const bool before = std::exchange(bus_master_, is_bus_master());
  if (before && !bus_master_ && control_.started()) set_status(0);
}

void VirtioPci::bar_moved(uint8_t /*bar*/, std::optional<Gpa> place) noexcept {
  remove_doorbells();
  if (!place) return;
  const VirtioDevice& device = control_.device();
  const std::span<const int> eventfds = device.doorbells();
  for (size_t queue = 0; queue < eventfds.size(); ++queue) {
    if (device.served_on_hart(static_cast<uint16_t>(queue))) continue;
    // 4.1.5.2: drivers write 16 bits. Their value does not matter: the address names the queue.
    const Doorbell doorbell{.at = *place + kNotifyOffset + queue * kNotifyStride,
                            .width = sizeof(uint16_t),
                            .match = std::nullopt,
                            .eventfd = eventfds[queue]};
    if (doorbell_host_.add_doorbell(doorbell)) doorbells_.push_back(doorbell);
  }
}

void VirtioPci::remove_doorbells() noexcept {
  for (const Doorbell& doorbell : doorbells_)
    doorbell_host_.remove_doorbell(doorbell);
  doorbells_.clear();
}

void VirtioPci::connect_calls() noexcept {
  for (size_t queue = 0; queue < calls_.size(); ++queue)
    connect_call(queue, msix_message(queue_vectors_[queue]));
}

// While an eventfd is not connected the device reads it, and interrupt_queue() makes its message pending or drives the
// pin.
void VirtioPci::connect_call(size_t queue, const std::optional<MsiMessage>& message) noexcept {
  std::optional<MsiMessage>& connected = connected_[queue];
  if (calls_[queue] < 0 || message == connected) return;
  if (message && msi_sink()->connect_msi(calls_[queue], *message)) {
    connected = message;
    return;
  }
  if (connected) msi_sink()->disconnect_msi(calls_[queue]);
  connected.reset();
}

IoStatus VirtioPci::load(uint8_t /*bar*/, uint64_t offset, std::span<std::byte> out) noexcept {
  if (offset < kIsrOffset) {
    const IoStatus status = check_common(offset, out.size());
    if (status != IoStatus::kOk) return status;
    for (size_t at = 0; at < out.size(); at += sizeof(uint32_t)) {
      const uint32_t value = common(offset + at);
      std::memcpy(&out[at], &value, std::min(out.size(), sizeof value));
    }
    return IoStatus::kOk;
  }
  if (offset >= kConfigOffset && offset < kNotifyOffset) {
    control_.device().read_config(offset - kConfigOffset, out);
    return IoStatus::kOk;
  }
  if (offset == kIsrOffset) {
    if (out.size() != 1) return IoStatus::kBadWidth;
    out[0] = std::byte{take_interrupt_causes()};
    return IoStatus::kOk;
  }
  return IoStatus::kNoRegister;
}

IoStatus VirtioPci::store(uint8_t /*bar*/, uint64_t offset, std::span<const std::byte> in) noexcept {
  if (offset < kIsrOffset) {
    const IoStatus status = check_common(offset, in.size());
    if (status != IoStatus::kOk) return status;
    for (size_t at = 0; at < in.size(); at += sizeof(uint32_t)) {
      uint32_t value = 0;
      std::memcpy(&value, &in[at], std::min(in.size(), sizeof value));
      set_common(offset + at, value);
    }
    return IoStatus::kOk;
  }
  if (offset >= kNotifyOffset && offset < kMsixTableOffset) {
    control_.kick(static_cast<uint32_t>((offset - kNotifyOffset) / kNotifyStride));
    return IoStatus::kOk;
  }
  if (offset >= kConfigOffset && offset < kNotifyOffset) {
    control_.device().write_config(offset - kConfigOffset, in);
    return IoStatus::kOk;
  }
  return IoStatus::kNoRegister;
}

uint32_t VirtioPci::common(uint64_t offset) noexcept {
  switch (offset) {
    case kDeviceFeatureSelect: return device_features_word_;
    case kDeviceFeature: return control_.device_features(device_features_word_);
    case kDriverFeatureSelect: return driver_features_word_;
    case kDriverFeature: return control_.driver_features(driver_features_word_);
    case kNumQueues: return control_.queue_count();
    case kDeviceStatus: return control_.status();
    case kCommonConfigGeneration: return control_.config_generation();
    case kQueueSelect: return queue_;
    case kConfigMsixVector: {
      const LockGuard lock{irq_mu_};
      return config_vector_;
    }
    default: return queue_register(offset);
  }
}

uint32_t VirtioPci::queue_register(uint64_t offset) noexcept {
  const VirtioQueueSetup* const queue = control_.queue(queue_);
  if (queue == nullptr) return offset == kQueueMsixVector ? uint32_t{kNoVector} : 0;  // 4.1.4.3.1: size 0
  switch (offset) {
    case kQueueSize: return queue->layout.size;
    case kQueueEnable: return queue->enabled ? 1 : 0;
    case kQueueNotifyOff: return queue_;
    case kQueueMsixVector: {
      const LockGuard lock{irq_mu_};
      return queue_vectors_[queue_];
    }
    default: return static_cast<uint32_t>(queue_address(queue->layout, offset).value >> (offset & 4) * 8);
  }
}

void VirtioPci::set_common(uint64_t offset, uint32_t value) noexcept {
  switch (offset) {
    case kDeviceFeatureSelect: device_features_word_ = value; break;
    case kDriverFeatureSelect: driver_features_word_ = value; break;
    case kDriverFeature: control_.set_driver_features(driver_features_word_, value); break;
    case kDeviceStatus: set_status(static_cast<uint8_t>(value)); break;
    case kQueueSelect: queue_ = static_cast<uint16_t>(value); break;
    case kConfigMsixVector: {
      const LockGuard lock{irq_mu_};
      config_vector_ = checked_vector(value);
      break;
    }
    case kQueueMsixVector: {
      if (control_.queue(queue_) == nullptr) break;
      const LockGuard lock{irq_mu_};
      queue_vectors_[queue_] = checked_vector(value);
      connect_calls();
      break;
    }
    default: set_queue_register(offset, value); break;
  }
}

void VirtioPci::set_queue_register(uint64_t offset, uint32_t value) noexcept {
  VirtioQueueSetup* const queue = control_.queue_to_set_up(queue_);
  if (queue == nullptr) return;
  if (offset >= kQueueDesc) {
    Gpa& address = queue_address(queue->layout, offset);
    address = with_half(address, (offset & 4) != 0, value);
  } else if (offset == kQueueSize) {
    control_.set_queue_size(queue_, value);
  } else if (offset == kQueueEnable && value == 1) {
    queue->enabled = true;  // only a reset takes that back: 4.1.4.3.2
  }
}

void VirtioPci::set_status(uint8_t status) noexcept {
  control_.set_status(status);
  if (status != 0) return;
  device_features_word_ = 0;
  driver_features_word_ = 0;
  queue_ = 0;
  const LockGuard lock{irq_mu_};
  config_vector_ = kNoVector;
  std::ranges::fill(queue_vectors_, kNoVector);
  connect_calls();
  causes_ = 0;
  set_intx(false);
}

// A vector that the function does not have reads back as none: 4.1.5.1.2.1.
uint16_t VirtioPci::checked_vector(uint32_t vector) const noexcept {
  return vector < msix_vectors() ? static_cast<uint16_t>(vector) : kNoVector;
}

void VirtioPci::interrupt_queue(uint16_t queue) noexcept {
  const LockGuard lock{irq_mu_};
  if (msix_enabled()) return signal_msix(queue_vectors_[queue]);
  causes_ |= kVirtioQueueInterrupt;
  set_intx(true);
}

void VirtioPci::interrupt_config() noexcept {
  const LockGuard lock{irq_mu_};
  causes_ |= kVirtioConfigInterrupt;  // with MSI-X, too: 4.1.4.5.1
  set_intx(true);
  if (msix_enabled()) signal_msix(config_vector_);
}

uint8_t VirtioPci::take_interrupt_causes() noexcept {
  const LockGuard lock{irq_mu_};
  set_intx(false);
  return std::exchange(causes_, uint8_t{0});
}

VirtioPciState VirtioPci::state() {
  const LockGuard lock{mu_};
  // The interrupts last: until the device is stopped, it may raise one for finished requests.
  VirtioControlState control = control_.state();
  VirtioPciState state{.function = function_state(),
                       .control = std::move(control),
                       .device_features_word = device_features_word_,
                       .driver_features_word = driver_features_word_,
                       .queue = queue_};
  const LockGuard irq_lock{irq_mu_};
  state.interrupt_causes = causes_;
  state.config_vector = config_vector_;
  state.queue_vectors = queue_vectors_;
  return state;
}

void VirtioPci::restore(const VirtioPciState& state) {
  const LockGuard lock{mu_};
  restore_function(state.function);
  bus_master_ = is_bus_master();
  device_features_word_ = state.device_features_word;
  driver_features_word_ = state.driver_features_word;
  queue_ = state.queue;
  {
    const LockGuard irq_lock{irq_mu_};
    causes_ = static_cast<uint8_t>(state.interrupt_causes & kAllVirtioInterruptCauses);
    set_intx(causes_ != 0);
    config_vector_ = checked_vector(state.config_vector);
    for (size_t queue = 0; queue < std::min(state.queue_vectors.size(), queue_vectors_.size()); ++queue)
      queue_vectors_[queue] = checked_vector(state.queue_vectors[queue]);
    connect_calls();
  }
  control_.restore(state.control);
}

}  // namespace rvvmm

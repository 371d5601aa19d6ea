#include "devices/virtio/virtio_control.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/eventfd.hpp"

namespace rvvmm {
namespace {

/// The bits that a driver sets: 2.1.
constexpr uint8_t kDriverStatus =
    kVirtioAcknowledge | kVirtioDriver | kVirtioDriverOk | kVirtioFeaturesOk | kVirtioFailed;

}  // namespace

void read_config_bytes(std::span<const std::byte> config, uint64_t offset, std::span<std::byte> out) noexcept {
  std::ranges::fill(out, std::byte{0});
  if (offset >= config.size()) return;
  const size_t length = std::min<size_t>(out.size(), config.size() - offset);
  std::memcpy(out.data(), config.data() + offset, length);
}

VirtioControl::VirtioControl(VirtioDevice& device, const GuestMemory& memory, VirtioInterruptSink& sink)
    : device_(device), memory_(memory), sink_(sink), queues_(device.queue_sizes().size()) {
  assert(queues_.size() <= kMostVirtioQueues);
  reset();
}

VirtioControl::~VirtioControl() {
  reset();
}

uint64_t VirtioControl::device_features() const noexcept {
  return device_.features() | kVirtioIndirectDescriptors | kVirtioEventIdx | kVirtioVersion1;
}

void VirtioControl::set_driver_features(uint32_t word, uint32_t bits) noexcept {
  if (word > 1 || (status_ & kVirtioFeaturesOk) != 0) return;
  const uint32_t shift = word * 32;
  driver_features_ = (driver_features_ & ~(uint64_t{UINT32_MAX} << shift)) | uint64_t{bits} << shift;
}

uint8_t VirtioControl::status() const noexcept {
  const bool broken = needs_reset_.load(std::memory_order_acquire);
  return static_cast<uint8_t>(status_ | (broken ? kVirtioNeedsReset : 0));
}

void VirtioControl::set_status(uint8_t status) noexcept {
  if (status == 0) return reset();
  // A driver cannot set the bits that 2.1 does not name, nor needs-reset, which only the device sets.
  auto added = static_cast<uint8_t>(status & kDriverStatus & ~status_);
  if ((added & kVirtioFeaturesOk) != 0) {
    if (!acceptable(driver_features_)) added = static_cast<uint8_t>(added & ~kVirtioFeaturesOk);
  }
  status_ = static_cast<uint8_t>(status_ | added);
  if ((added & kVirtioDriverOk) != 0) start();
}

bool VirtioControl::acceptable(uint64_t features) const noexcept {
  return (features & ~device_features()) == 0 && (features & kVirtioVersion1) != 0;
}

const VirtioQueueSetup* VirtioControl::queue(uint32_t index) const noexcept {
  return index < queues_.size() ? &queues_[index] : nullptr;
}

VirtioQueueSetup* VirtioControl::queue_to_set_up(uint32_t index) noexcept {
  if (index >= queues_.size() || queues_[index].enabled || started_) return nullptr;
  return &queues_[index];
}

void VirtioControl::set_queue_size(uint32_t index, uint32_t size) noexcept {
  VirtioQueueSetup* const queue = queue_to_set_up(index);
  if (queue != nullptr) queue->layout.size = size > device_.queue_sizes()[index] ? 0 : static_cast<uint16_t>(size);
}

void VirtioControl::disable_queue(uint32_t index) noexcept {
  if (index < queues_.size() && !started_) reset_queue(index);
}

void VirtioControl::reset_queue(size_t index) noexcept {
  queues_[index] = {};
  queues_[index].layout.size = device_.queue_sizes()[index];
}

void VirtioControl::reset() noexcept {
  forget_driver();
  device_.reset();
}

void VirtioControl::forget_driver() noexcept {
  if (started_) {
    device_.give_up_requests();
    device_.stop();
  }
  started_ = false;
  status_ = 0;
  driver_features_ = 0;
  needs_reset_.store(false, std::memory_order_release);
  for (size_t index = 0; index < queues_.size(); ++index)
    reset_queue(index);
}

void VirtioControl::start(std::span<const VirtqueueState> indices) noexcept {
  // A driver that skipped a step is wrong. A driver that agreed on nothing that we offer could not be served: 3.1.1.
  if ((status_ & kVirtioFeaturesOk) == 0) return needs_reset("the driver is ready before its features are agreed on");
  VirtioSession session{.queues = {}, .features = driver_features_, .driver = this};
  Virtqueue::Options options{.indirect = (driver_features_ & kVirtioIndirectDescriptors) != 0,
                             .event_idx = (driver_features_ & kVirtioEventIdx) != 0};
  for (size_t index = 0; index < queues_.size(); ++index) {
    const VirtioQueueSetup& setup = queues_[index];
    std::optional<Virtqueue>& queue = session.queues.emplace_back();
    if (!setup.enabled) continue;
    if (setup.layout.size > device_.queue_sizes()[index]) return needs_reset("a queue is larger than was offered");
    std::string_view why;
    options.longest_chain = device_.queue_sizes()[index];
    queue = Virtqueue::create(memory_, setup.layout, options, why);
    if (!queue) return needs_reset(why);
    if (index < indices.size()) queue->set_state(indices[index]);
  }
  started_ = true;
  device_.start(session);
}

VirtioControlState VirtioControl::state() {
  std::vector<VirtqueueState> indices(queues_.size());
  if (started_) {
    device_.stop();
    for (uint16_t index = 0; index < queue_count(); ++index)
      indices[index] = device_.stopped_at(index);
  }
  VirtioControlState state{.status = status(),
                           .started = started_,
                           .config_generation = config_generation(),
                           .driver_features = driver_features_,
                           .queues = {}};
  for (size_t index = 0; index < queues_.size(); ++index)
    state.queues.push_back({.setup = queues_[index], .indices = indices[index]});
  if (started_) start(indices);
  return state;
}

void VirtioControl::restore(const VirtioControlState& state) {
  forget_driver();
  driver_features_ = state.driver_features;
  status_ = static_cast<uint8_t>(state.status & kDriverStatus);
  if (!acceptable(driver_features_)) status_ = static_cast<uint8_t>(status_ & ~kVirtioFeaturesOk);
  needs_reset_.store((state.status & kVirtioNeedsReset) != 0, std::memory_order_release);
  config_generation_.store(state.config_generation, std::memory_order_release);
  std::vector<VirtqueueState> indices(queues_.size());
  for (size_t index = 0; index < std::min(queues_.size(), state.queues.size()); ++index) {
    queues_[index] = state.queues[index].setup;
    indices[index] = state.queues[index].indices;
  }
  if (state.started && (status_ & kVirtioDriverOk) != 0) start(indices);
}

void VirtioControl::config_changed() noexcept {
  config_generation_.fetch_add(1, std::memory_order_acq_rel);
  sink_.interrupt_config();
}

void VirtioControl::needs_reset(std::string_view why) noexcept {
  if (needs_reset_.exchange(true, std::memory_order_acq_rel)) return;
  if (broken_lines_.allow()) {
    log::line(log::Module::kDevices, log::Level::kWarn,
              "{}: the guest's driver has broken it: {}; it waits for a reset ({} times so far)", device_.name(), why,
              broken_lines_.count());
  }
  // 2.1.2: reported by an interrupt, if the driver has said that it is ready.
  sink_.interrupt_config();
}

void VirtioControl::kick(uint32_t queue) noexcept {
  if (!started_ || queue >= device_.doorbells().size()) return;
  if (device_.served_on_hart(static_cast<uint16_t>(queue))) return device_.serve_on_hart(static_cast<uint16_t>(queue));
  add_one(device_.doorbells()[queue]);
}

}  // namespace rvvmm

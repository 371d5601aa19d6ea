// What both virtio transports have in common: status, features, queue set-up and interrupts of one device.
// virtio 1.2: 2.1 (status), 2.2 (features), 2.5 (configuration), 3.1 (initialization), 2.1.2 (needs reset).
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/guest_memory.hpp"
#include "base/log.hpp"
#include "devices/virtio/virtio_device.hpp"

namespace rvvmm {

enum VirtioStatus : uint8_t {
  kVirtioAcknowledge = 1,
  kVirtioDriver = 2,
  kVirtioDriverOk = 4,
  kVirtioFeaturesOk = 8,
  kVirtioNeedsReset = 64,
  kVirtioFailed = 128,
};

/// Bits of the interrupt status that both transports have: virtio 1.2, 4.1.4.5 and 4.2.2.
enum VirtioInterruptCause : uint8_t { kVirtioQueueInterrupt = 1, kVirtioConfigInterrupt = 2 };
inline constexpr uint8_t kAllVirtioInterruptCauses = kVirtioQueueInterrupt | kVirtioConfigInterrupt;

/// A queue as the driver has set it up so far.
struct VirtioQueueSetup {
  VirtqueueLayout layout;  ///< size: the largest possible one, until the driver makes it smaller
  bool enabled = false;

  friend bool operator==(const VirtioQueueSetup&, const VirtioQueueSetup&) = default;
};

/// Everything that a driver has set up or can see of a device through any transport, as plain data. What a device keeps
/// beyond that is in the state of its body.
struct VirtioControlState {
  struct Queue {
    VirtioQueueSetup setup;
    VirtqueueState indices;  ///< of a queue that the device was started with
    friend bool operator==(const Queue&, const Queue&) = default;
  };

  uint8_t status = 0;  ///< as the driver reads it
  bool started = false;
  uint8_t config_generation = 0;
  uint64_t driver_features = 0;
  std::vector<Queue> queues;  ///< by number

  friend bool operator==(const VirtioControlState&, const VirtioControlState&) = default;
};

/// `address` after the driver has written one half of it.
constexpr Gpa with_half(Gpa address, bool high, uint32_t half) noexcept {
  const uint64_t kept = high ? address.value & UINT32_MAX : address.value & ~uint64_t{UINT32_MAX};
  return Gpa{kept | uint64_t{half} << (high ? 32 : 0)};
}

/// A transport sends its interrupts by this. Any thread. Takes no lock that the transport holds while it calls the
/// device.
class VirtioInterruptSink {
 public:
  virtual ~VirtioInterruptSink() = default;
  virtual void interrupt_queue(uint16_t queue) noexcept = 0;
  virtual void interrupt_config() noexcept = 0;
};

/// Its transport calls it under the transport's mutex; any thread calls the driver side.
class VirtioControl final : private VirtioDriverSide {
 public:
  /// `device` and `memory` outlive this object. `sink`, the transport, lives at least until the device is stopped.
  VirtioControl(VirtioDevice& device, const GuestMemory& memory, VirtioInterruptSink& sink);
  /// Stops and resets the device.
  ~VirtioControl() override;
  VirtioControl(const VirtioControl&) = delete;
  VirtioControl& operator=(const VirtioControl&) = delete;

  VirtioDevice& device() noexcept { return device_; }

  /// What device and transport offer.
  uint64_t device_features() const noexcept;
  uint64_t driver_features() const noexcept { return driver_features_; }
  /// The same in words of 32 bits, by number; zero for words that do not exist.
  uint32_t device_features(uint32_t word) const noexcept { return word_of(device_features(), word); }
  uint32_t driver_features(uint32_t word) const noexcept { return word_of(driver_features_, word); }
  /// Sets 32 bits of the driver's choice: bits 0-31 for word 0, 32-63 for word 1. Other words are ignored, and so are
  /// all words once FEATURES_OK was accepted.
  void set_driver_features(uint32_t word, uint32_t bits) noexcept;

  uint8_t status() const noexcept;
  /// What the driver writes: 0 resets; a new FEATURES_OK is kept only if the device can work with the driver's choice;
  /// a new DRIVER_OK starts the device. Bits are not cleared otherwise.
  void set_status(uint8_t status) noexcept;
  bool started() const noexcept { return started_; }

  uint16_t queue_count() const noexcept { return static_cast<uint16_t>(queues_.size()); }
  /// nullptr for a queue that does not exist.
  const VirtioQueueSetup* queue(uint32_t index) const noexcept;
  /// The same, to be changed. nullptr also once the queue is enabled, since its rings must then stay where they are,
  /// and while the device works with the queues that it was started with.
  VirtioQueueSetup* queue_to_set_up(uint32_t index) noexcept;
  /// Sets the size that the driver wants. A size larger than the device's is refused when the queue is used: it must
  /// not become another size.
  void set_queue_size(uint32_t index, uint32_t size) noexcept;
  /// Sets the queue back to its state before the first set-up.
  void disable_queue(uint32_t index) noexcept;

  /// Changes whenever the configuration space does: 2.5.1.
  uint8_t config_generation() const noexcept { return config_generation_.load(std::memory_order_acquire); }

  /// A kick that KVM did not take, or was not to take. Nothing for a queue that does not exist, or before DRIVER_OK.
  void kick(uint32_t queue) noexcept;

  /// A started device is stopped for this, so that no request is in hand, and started again.
  VirtioControlState state();
  /// For snapshots, with guest memory and the device's body as they were: takes the state over, as far as a driver
  /// could have caused it, and starts the device if it was started. Queues that the device does not have are ignored.
  void restore(const VirtioControlState& state);

 private:
  static constexpr uint32_t word_of(uint64_t features, uint32_t word) noexcept {
    return word > 1 ? 0 : static_cast<uint32_t>(features >> word * 32);
  }

  void interrupt_queue(uint16_t queue) noexcept override { sink_.interrupt_queue(queue); }
  void config_changed() noexcept override;
  void needs_reset(std::string_view why) noexcept override;
  void reset() noexcept;
  void forget_driver() noexcept;
  /// Queues continue from `indices`, by number; queues without an entry start at 0.
  void start(std::span<const VirtqueueState> indices = {}) noexcept;
  bool acceptable(uint64_t features) const noexcept;
  void reset_queue(size_t index) noexcept;

  VirtioDevice& device_;
  const GuestMemory& memory_;
  VirtioInterruptSink& sink_;
  uint8_t status_ = 0;
  bool started_ = false;
  uint64_t driver_features_ = 0;
  std::vector<VirtioQueueSetup> queues_;
  std::atomic<bool> needs_reset_ = false;
  log::RateLimit broken_lines_{"broken by its driver", device_.name()};
  std::atomic<uint8_t> config_generation_ = 0;
};

}  // namespace rvvmm

// The guest's side of virtqueues: writes rings and buffers as a driver does, right and wrong.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/guest_memory.hpp"
#include "devices/virtio/virtio_device.hpp"

namespace rvvmm {

inline constexpr uint16_t kDescNext = 1;
inline constexpr uint16_t kDescWrite = 2;
inline constexpr uint16_t kDescIndirect = 4;

struct FakeDescriptor {
  uint64_t address = 0;
  uint32_t length = 0;
  uint16_t flags = 0;
  uint16_t next = 0;
};

struct FakeUsed {
  uint32_t id = 0;
  uint32_t length = 0;
  friend bool operator==(const FakeUsed&, const FakeUsed&) = default;
};

/// One queue in guest memory, its rings from `base` on. One thread.
class FakeDriverQueue {
 public:
  FakeDriverQueue(const GuestMemory& memory, Gpa base, uint16_t size)
      : memory_(memory),
        size_(size),
        layout_{.size = size,
                .descriptors = base,
                .driver_area = base + uint64_t{size} * 16,
                .device_area = Gpa{align_up((base + uint64_t{size} * 18 + 6).value, 4)}} {}

  const VirtqueueLayout& layout() const noexcept { return layout_; }
  /// First address behind the rings.
  Gpa end() const noexcept { return layout_.device_area + 6 + uint64_t{size_} * 8; }

  /// As a driver leaves them for a device that is to start anew: the device must have been reset.
  void clear() {
    std::ranges::fill(*memory_.slice(layout_.descriptors, end() - layout_.descriptors), std::byte{0});
    available_ = taken_ = 0;
  }
  void set_descriptor(uint16_t index, const FakeDescriptor& descriptor) {
    memory_.store(layout_.descriptors + uint64_t{index} * 16, descriptor);
  }
  /// Descriptors from `first` on, one behind the other: the flags' kDescNext is set here.
  void set_chain(uint16_t first, std::vector<FakeDescriptor> chain) {
    for (size_t i = 0; i < chain.size(); ++i) {
      const auto index = static_cast<uint16_t>(first + i);
      if (i + 1 < chain.size()) {
        chain[i].flags |= kDescNext;
        chain[i].next = static_cast<uint16_t>(index + 1);
      }
      set_descriptor(index, chain[i]);
    }
  }
  /// Makes the chain that begins at `head` available.
  void offer(uint16_t head) {
    memory_.store(layout_.driver_area + 4 + uint64_t{available_} % size_ * 2, head);
    set_available_index(static_cast<uint16_t>(available_ + 1));
  }
  void set_available_index(uint16_t index) {
    available_ = index;
    std::atomic_ref{*index_of(layout_.driver_area)}.store(index, std::memory_order_release);
  }
  void set_driver_flags(uint16_t flags) { memory_.store(layout_.driver_area, flags); }
  void set_used_event(uint16_t event) { memory_.store(layout_.driver_area + 4 + uint64_t{size_} * 2, event); }
  uint16_t device_flags() const { return *memory_.load<uint16_t>(layout_.device_area); }
  uint16_t available_event() const { return *memory_.load<uint16_t>(layout_.device_area + 4 + uint64_t{size_} * 8); }
  uint16_t used_index() const {
    return std::atomic_ref{*index_of(layout_.device_area)}.load(std::memory_order_acquire);
  }
  /// Whether the device has given back all that was offered.
  bool has_all_back() const { return used_index() == available_; }
  /// The next request that the device has given back.
  std::optional<FakeUsed> take_used() {
    if (used_index() == taken_) return std::nullopt;
    const auto used = memory_.load<FakeUsed>(layout_.device_area + 4 + uint64_t{taken_} % size_ * 8);
    ++taken_;
    return used;
  }

 private:
  uint16_t* index_of(Gpa ring) const {
    return reinterpret_cast<uint16_t*>(memory_.slice(ring + 2, sizeof(uint16_t))->data());
  }

  const GuestMemory& memory_;
  uint16_t size_;
  VirtqueueLayout layout_;
  uint16_t available_ = 0;
  uint16_t taken_ = 0;
};

/// What a started device tells its driver. Any thread.
class FakeDriverSide final : public VirtioDriverSide {
 public:
  void interrupt_queue(uint16_t queue) noexcept override {
    last_queue.store(queue);
    queue_interrupts.fetch_add(1);
  }
  void config_changed() noexcept override { config_changes.fetch_add(1); }
  void needs_reset(std::string_view /*why*/) noexcept override { resets_needed.fetch_add(1); }

  std::atomic<int> queue_interrupts = 0;
  std::atomic<int> last_queue = -1;
  std::atomic<int> config_changes = 0;
  std::atomic<int> resets_needed = 0;
};

}  // namespace rvvmm

// The guest's side of a virtio block device: one request at a time, or as many as a test likes.
#pragma once

#include <linux/virtio_blk.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "devices/block/virtio_block.hpp"
#include "fakes/fake_virtio_driver.hpp"

namespace rvvmm {

/// One queue of `device`, its rings and buffers in the `number`-th MiB of `memory`.
class FakeBlockDriverQueue {
 public:
  static constexpr uint64_t kData = 0x2'0000;  ///< where tests have buffers, from base() on
  static constexpr uint8_t kNoStatus = 0xEE;

  FakeBlockDriverQueue(const GuestMemory& memory, VirtioDevice& device, uint16_t number)
      : memory_(memory), device_(device), number_(number), base_(memory.range().base + uint64_t{number} * 1_MiB) {
    reset();
  }

  Gpa base() const noexcept { return base_; }
  uint64_t data(uint64_t offset = 0) const noexcept { return (base_ + kData + offset).value; }
  FakeDriverQueue& rings() noexcept { return *rings_; }
  /// New rings, as a driver makes them after a reset.
  void reset() {
    rings_.emplace(memory_, base_, BlockQueue::kSize);
    std::memset(memory_.slice(base_, rings_->end() - base_)->data(), 0, rings_->end() - base_);
  }

  void put(uint64_t offset, std::string_view bytes) const {
    std::memcpy(memory_.slice(Gpa{data(offset)}, bytes.size())->data(), bytes.data(), bytes.size());
  }
  std::string get(uint64_t offset, size_t length) const {
    const auto bytes = *memory_.slice(Gpa{data(offset)}, length);
    return {reinterpret_cast<const char*>(bytes.data()), length};
  }

  void kick() const {
    const uint64_t one = 1;
    if (::write(device_.doorbells()[number_], &one, sizeof one) != sizeof one) std::abort();
  }
  /// The next request that is done; nullopt after ten seconds without one.
  std::optional<FakeUsed> wait_used() {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    do {
      if (const auto used = rings_->take_used()) return used;
      std::this_thread::yield();
    } while (std::chrono::steady_clock::now() < limit);
    return std::nullopt;
  }

  /// Makes a request available as slot `slot`, which has up to eight descriptors: header, `data`, status.
  void offer(uint16_t slot, uint32_t type, uint64_t sector, std::vector<FakeDescriptor> data) {
    const Gpa header = base_ + 0x4000 + uint64_t{slot} * 32;
    memory_.store(header, virtio_blk_outhdr{.type = type, .ioprio = 0, .sector = sector});
    memory_.store(header + 16, kNoStatus);
    data.insert(data.begin(), {.address = header.value, .length = sizeof(virtio_blk_outhdr)});
    data.push_back({.address = (header + 16).value, .length = 1, .flags = kDescWrite});
    const auto first = static_cast<uint16_t>(slot * 8);
    rings_->set_chain(first, std::move(data));
    rings_->offer(first);
  }
  uint8_t status(uint16_t slot) const { return *memory_.load<uint8_t>(base_ + 0x4010 + uint64_t{slot} * 32); }

  /// One request from beginning to end: its status, and the length that the device says it wrote.
  struct Answer {
    int status = -1;
    uint32_t length = 0;
    friend bool operator==(const Answer&, const Answer&) = default;
  };
  Answer ask(uint32_t type, uint64_t sector, std::vector<FakeDescriptor> data = {}) {
    offer(0, type, sector, std::move(data));
    kick();
    const auto used = wait_used();
    if (!used) return {};
    return {.status = status(0), .length = used->length};
  }
  /// The same for a chain that the test has made, whose status is at `status_at`.
  Answer ask_chain(uint16_t head, uint64_t status_at) {
    rings_->offer(head);
    kick();
    const auto used = wait_used();
    if (!used) return {};
    return {.status = *memory_.load<uint8_t>(Gpa{status_at}), .length = used->length};
  }

 private:
  const GuestMemory& memory_;
  VirtioDevice& device_;
  uint16_t number_;
  Gpa base_;
  std::optional<FakeDriverQueue> rings_;
};

}  // namespace rvvmm

// The virtio block device: virtio 1.2, 5.2.
#pragma once

#include <linux/virtio_blk.h>

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "devices/block/block_queue.hpp"
#include "devices/block/disk_image.hpp"
#include "devices/virtio/virtio_device.hpp"

namespace rvvmm {

/// A raw image of the host as a disk. Its writes stay in the host's page cache until the guest flushes, or go to the
/// disk at once for a driver that does not know how to flush. It keeps nothing that its driver has configured: features
/// and queues, which its transport knows, are its whole state.
class VirtioBlock final : public VirtioDevice {
 public:
  static constexpr uint16_t kMostQueues = 16;
  static constexpr size_t kLongestSerial = VIRTIO_BLK_ID_BYTES;

  struct Options {
    DiskImage::Options image;
    std::string serial;  ///< at most kLongestSerial bytes; what the guest reads as the disk's serial number
    /// What the guest discards, or overwrites with zeroes and does not need, becomes a hole. If the host cannot make
    /// holes, the log says so, and the guest is not offered any.
    bool discard = false;
    uint16_t queues = 1;  ///< 1 to kMostQueues, each with a thread
    DiskEngine engine = DiskEngine::kAuto;
  };

  /// Host descriptors: the image, and for each queue its doorbell and its ring.
  static uint32_t descriptors(const Options& options) noexcept { return 1 + options.queues * 2U; }

  /// Disk number `index`. Opens the image and starts the threads, so the main thread makes it before a hart runs.
  /// Throws SetupError "--disk <path>: ..." (DiskImage, and for options out of their range), or if the host has no
  /// thread or descriptor left.
  VirtioBlock(unsigned index, const Options& options);
  ~VirtioBlock() override;

  std::string_view name() const noexcept override { return name_; }
  VirtioId id() const noexcept override { return VirtioId::kBlock; }
  uint64_t features() const noexcept override { return features_; }
  std::span<const uint16_t> queue_sizes() const noexcept override { return queue_sizes_; }
  void read_config(uint64_t offset, std::span<std::byte> out) noexcept override;
  std::span<const int> doorbells() const noexcept override { return doorbells_; }
  void start(VirtioSession session) noexcept override;
  void give_up_requests() noexcept override;
  void stop() noexcept override;
  VirtqueueState stopped_at(uint16_t queue) const noexcept override;
  void hold() noexcept override;
  bool is_quiet() const noexcept override;
  void go_on() noexcept override;
  /// The next driver, of this boot or another one, finds the image with the size that it has then.
  void reset() noexcept override;

 private:
  void describe(const Options& options);

  const std::string name_;
  const std::string serial_;
  DiskImage image_;
  const bool may_unmap_;
  uint64_t features_ = 0;
  virtio_blk_config config_{};
  BlockRules rules_;
  std::deque<BlockQueue> queues_;
  std::vector<uint16_t> queue_sizes_;
  std::vector<int> doorbells_;
};

}  // namespace rvvmm

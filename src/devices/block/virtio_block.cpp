#include "devices/block/virtio_block.hpp"

#include <algorithm>
#include <bit>
#include <format>
#include <utility>

#include "base/log.hpp"
#include "base/printable.hpp"

namespace rvvmm {
namespace {

constexpr uint64_t bit(unsigned number) noexcept {
  return uint64_t{1} << number;
}

void check_options(const VirtioBlock::Options& options, const DiskImage& image) {
  if (options.serial.size() > VirtioBlock::kLongestSerial) {
    throw image.error(std::format("serial={}: has {} bytes; a disk's serial number has at most {}",
                                  printable(options.serial), options.serial.size(), VirtioBlock::kLongestSerial));
  }
  if (options.queues == 0 || options.queues > VirtioBlock::kMostQueues) {
    throw image.error(std::format("queues={}: give 1 to {}", options.queues, VirtioBlock::kMostQueues));
  }
  if (options.discard && image.read_only())
    throw image.error("discard=unmap: not possible with ro, which changes nothing");
}

bool may_unmap(const VirtioBlock::Options& options, const DiskImage& image) {
  if (!options.discard || image.read_only() || image.can_make_holes()) return options.discard;
  log::line(
      log::Module::kDevices, log::Level::kWarn,
      "--disk {}: discard=unmap: the host cannot make holes in it (its file system or device has none); the guest's "
      "disk has no discard",
      image.printable_path());
  return false;
}

}  // namespace

VirtioBlock::VirtioBlock(unsigned index, const Options& options)
    : name_(std::format("disk{}", index)),
      serial_(options.serial),
      image_(options.image),
      may_unmap_(may_unmap(options, image_)) {
  check_options(options, image_);
  describe(options);
  for (uint16_t queue = 0; queue < options.queues; ++queue) {
    std::string thread = "io-" + name_;
    if (options.queues > 1) thread += std::format("-{}", queue);
    queues_.emplace_back(image_, name_,
                         BlockQueue::Options{.thread_name = thread, .index = queue, .engine = options.engine});
    queue_sizes_.push_back(BlockQueue::kSize);
    doorbells_.push_back(queues_.back().doorbell());
  }
}

VirtioBlock::~VirtioBlock() {
  give_up_requests();
  stop();
}

// 5.2.4 and 5.2.5. Blocks have 512 bytes, since images are made and partitioned with these. The topology says whether
// the host works in larger blocks. If the host accepts nothing smaller, the guest's blocks are larger too.
void VirtioBlock::describe(const Options& options) {
  features_ = bit(VIRTIO_BLK_F_SEG_MAX) | bit(VIRTIO_BLK_F_BLK_SIZE) | bit(VIRTIO_BLK_F_FLUSH) |
              bit(VIRTIO_BLK_F_TOPOLOGY) | (options.queues > 1 ? bit(VIRTIO_BLK_F_MQ) : 0);
  const uint32_t logical_per_physical = image_.block_size() / image_.logical_block_size();
  config_.capacity = image_.size() / DiskImage::kSectorSize;
  config_.seg_max = BlockQueue::kSize - 2;
  config_.blk_size = image_.logical_block_size();
  config_.physical_block_exp = static_cast<uint8_t>(std::countr_zero(logical_per_physical));
  config_.min_io_size = static_cast<uint16_t>(logical_per_physical);
  config_.wce = 1;
  config_.num_queues = options.queues;
  if (image_.read_only()) {
    features_ |= bit(VIRTIO_BLK_F_RO);
    return;
  }
  features_ |= bit(VIRTIO_BLK_F_WRITE_ZEROES);
  config_.max_write_zeroes_sectors = kMostWriteZeroesSectors;
  config_.max_write_zeroes_seg = kMostWriteZeroesRanges;
  if (!may_unmap_) return;
  features_ |= bit(VIRTIO_BLK_F_DISCARD);
  config_.max_discard_sectors = kMostDiscardSectors;
  config_.max_discard_seg = kMostDiscardRanges;
  config_.discard_sector_alignment = static_cast<uint32_t>(image_.block_size() / DiskImage::kSectorSize);
  config_.write_zeroes_may_unmap = 1;
}

// The fields after these belong to features that are not offered.
void VirtioBlock::read_config(uint64_t offset, std::span<std::byte> out) noexcept {
  const auto config = std::as_bytes(std::span{&config_, 1});
  read_config_bytes(config.first(offsetof(virtio_blk_config, max_secure_erase_sectors)), offset, out);
}

void VirtioBlock::start(VirtioSession session) noexcept {
  const auto agreed = [&session](unsigned number) { return (session.features & bit(number)) != 0; };
  rules_ = {.serial = serial_,
            .writethrough = !agreed(VIRTIO_BLK_F_FLUSH),
            .may_discard = agreed(VIRTIO_BLK_F_DISCARD),
            .may_write_zeroes = agreed(VIRTIO_BLK_F_WRITE_ZEROES),
            .may_unmap = may_unmap_};
  for (size_t index = 0; index < queues_.size() && index < session.queues.size(); ++index) {
    if (session.queues[index]) queues_[index].start(*session.queues[index], rules_, *session.driver);
  }
}

void VirtioBlock::give_up_requests() noexcept {
  for (BlockQueue& queue : queues_)
    queue.give_up_requests();
}

void VirtioBlock::stop() noexcept {
  for (BlockQueue& queue : queues_)
    queue.request_stop();
  for (BlockQueue& queue : queues_)
    queue.wait_stopped();
}

void VirtioBlock::hold() noexcept {
  for (BlockQueue& queue : queues_)
    queue.hold();
}

bool VirtioBlock::is_quiet() const noexcept {
  return std::ranges::all_of(queues_, [](const BlockQueue& queue) { return queue.is_at_rest(); });
}

void VirtioBlock::go_on() noexcept {
  for (BlockQueue& queue : queues_)
    queue.go_on();
}

void VirtioBlock::reset() noexcept {
  image_.look_at_size();
  config_.capacity = image_.size() / DiskImage::kSectorSize;
}

VirtqueueState VirtioBlock::stopped_at(uint16_t queue) const noexcept {
  return queue < queues_.size() ? queues_[queue].stopped_at() : VirtqueueState{};
}

}  // namespace rvvmm

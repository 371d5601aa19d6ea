// A request of a virtio block device, from its descriptor chain to its status byte: virtio 1.2, 5.2.6.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/inplace_vector.hpp"
#include "devices/block/disk_image.hpp"
#include "devices/block/disk_step.hpp"
#include "devices/virtio/virtqueue.hpp"

namespace rvvmm {

/// The most ranges that one DISCARD or WRITE_ZEROES may name, and the most sectors of one range. To discard is quick.
/// Zeroes may have to be written one by one, and a stop waits for all of them.
inline constexpr uint32_t kMostDiscardRanges = 16;
inline constexpr uint32_t kMostDiscardSectors = 1U << 21;
inline constexpr uint32_t kMostWriteZeroesRanges = 1;
inline constexpr uint32_t kMostWriteZeroesSectors = 1U << 16;

/// The settings by which requests are answered; the same for all queues.
struct BlockRules {
  std::string_view serial;        ///< at most 20 bytes
  bool writethrough = false;      ///< the driver does not flush: a write is on the disk before it is reported done
  bool may_discard = false;       ///< VIRTIO_BLK_F_DISCARD was negotiated
  bool may_write_zeroes = false;  ///< VIRTIO_BLK_F_WRITE_ZEROES was
  bool may_unmap = false;         ///< the user allows the guest to make holes
};

/// Used again and again, by the thread of one queue.
class BlockRequest {
 public:
  /// `room` has this size: the buffers of the longest chain, and those of a step.
  static constexpr size_t kLongestChain = 256;
  static constexpr size_t kRoom = 2 * kLongestChain;

  /// `room` outlives it.
  explicit BlockRequest(std::span<iovec, kRoom> room) noexcept
      : chain_(room.first<kLongestChain>()), step_room_(room.last<kLongestChain>()) {}

  /// No step moves more. A read or write of up to so many bytes is one step.
  static constexpr uint64_t kMostBytesOfStep = 4U << 20;

  /// For Virtqueue::pop(), before begin().
  DescriptorChain& chain() noexcept { return chain_; }

  /// Takes the request in chain() apart and checks it. False if the driver broke the protocol: the header or the room
  /// for a status is missing. `image` and `rules` stay valid until the request is finished.
  bool begin(DiskImage& image, const BlockRules& rules) noexcept;
  /// The next step; nullopt if there is none.
  std::optional<DiskStep> next_step() noexcept;
  /// How the last step ended: the result as that of DiskImage::run().
  void step_ended(int64_t result) noexcept;
  /// Does not do the rest: the status is an I/O error, unless all is done already.
  void give_up() noexcept;
  /// Writes the status; returns the length for the used ring.
  uint32_t finish() noexcept;

  /// The disk offset after the last byte that the request changes; 0 for a request that changes nothing.
  uint64_t writes_up_to() const noexcept { return writes_up_to_; }
  /// The image ends before that offset, although the guest knows a larger size: a write must not make it grow again.
  void refuse_shorter() noexcept { fail_on_host(kShorter); }

  /// host_error() when the image has become shorter.
  static constexpr int kShorter = -1;
  /// errno of the host, which the guest sees as an I/O error; 0: no error.
  int host_error() const noexcept { return host_error_; }
  /// "read", "write", ...
  std::string_view name() const noexcept;
  /// The part of the disk that the last step was to move or change; before the first step, that of the whole request. A
  /// flush has no bytes.
  struct Part {
    uint64_t offset = 0;
    uint64_t length = 0;
  };
  const Part& last_part() const noexcept { return last_part_; }
  /// Bytes that the request moves to or from the disk, or may have to move.
  uint64_t moved_bytes() const noexcept { return is_discard() ? 0 : length_; }

 private:
  /// How the present range of a WRITE_ZEROES becomes zero: the first way that the host supports.
  enum class Zeroing : uint8_t { kUnmap, kZeroRange, kWrite };

  bool is_discard() const noexcept;
  void begin_transfer(uint64_t sector) noexcept;
  void begin_ranges() noexcept;
  void begin_get_id() noexcept;
  bool is_whole_blocks(uint64_t sector, uint64_t sectors) const noexcept;
  uint8_t check_range(uint64_t sector, uint32_t sectors, uint32_t flags) const noexcept;
  std::optional<DiskStep> make_step() noexcept;
  DiskStep transfer_step() noexcept;
  DiskStep allocate_step() noexcept;
  std::span<const iovec> gather_data() noexcept;
  std::span<const iovec> gather_zeroes() noexcept;
  void allocation_ended(int64_t result) noexcept;
  void advance(uint64_t bytes) noexcept;
  void fail(uint8_t status) noexcept { status_ = status; }
  void fail_on_host(int error) noexcept;

  DescriptorChain chain_;
  DiskImage* image_ = nullptr;
  const BlockRules* rules_ = nullptr;
  uint32_t type_ = 0;
  uint8_t status_ = 0;
  int host_error_ = 0;
  bool sync_at_end_ = false;
  DiskStep::Kind step_ = DiskStep::Kind::kSync;
  Part last_part_;

  // What is left to transfer: from offset_ on, to or from the chain's buffers from byte data_at_ on.
  uint64_t offset_ = 0;
  uint64_t data_at_ = 0;
  uint64_t left_ = 0;
  uint64_t length_ = 0;
  uint64_t written_ = 0;  // bytes of the guest's writable buffers that are filled, from the first on
  uint64_t writes_up_to_ = 0;
  std::span<iovec, kLongestChain> step_room_;

  // For DISCARD and WRITE_ZEROES: the ranges from next_range_ on are not yet done.
  size_t next_range_ = 0;
  Zeroing zeroing_ = Zeroing::kWrite;
  bool unmap_wanted_ = false;
  InplaceVector<Part, kMostDiscardRanges> ranges_;
};

}  // namespace rvvmm

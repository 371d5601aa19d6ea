#include "devices/block/block_request.hpp"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/virtio_blk.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace rvvmm {
namespace {

constexpr uint64_t kSector = DiskImage::kSectorSize;

}  // namespace

bool BlockRequest::begin(DiskImage& image, const BlockRules& rules) noexcept {
  image_ = &image;
  rules_ = &rules;
  status_ = VIRTIO_BLK_S_OK;
  host_error_ = 0;
  sync_at_end_ = false;
  offset_ = data_at_ = left_ = length_ = written_ = writes_up_to_ = 0;
  next_range_ = 0;
  ranges_.clear();
  last_part_ = {};
  virtio_blk_outhdr header{};
  const size_t got = copy_from_buffers(chain_.readable(), 0, std::as_writable_bytes(std::span{&header, 1}));
  if (got != sizeof header || chain_.writable_bytes() == 0) return false;
  type_ = header.type;
  switch (type_) {
    case VIRTIO_BLK_T_IN:
    case VIRTIO_BLK_T_OUT: begin_transfer(header.sector); break;
    case VIRTIO_BLK_T_FLUSH: sync_at_end_ = true; break;
    case VIRTIO_BLK_T_GET_ID: begin_get_id(); break;
    case VIRTIO_BLK_T_DISCARD:
    case VIRTIO_BLK_T_WRITE_ZEROES: begin_ranges(); break;
    default: fail(VIRTIO_BLK_S_UNSUPP); break;
  }
  return true;
}

bool BlockRequest::is_discard() const noexcept {
  return type_ == VIRTIO_BLK_T_DISCARD;
}

void BlockRequest::begin_transfer(uint64_t sector) noexcept {
  const bool in = type_ == VIRTIO_BLK_T_IN;
  const uint64_t bytes = in ? chain_.writable_bytes() - 1 : chain_.readable_bytes() - sizeof(virtio_blk_outhdr);
  const uint64_t sectors = image_->size() / kSector;
  if (bytes % kSector != 0 || sector > sectors || bytes / kSector > sectors - sector) return fail(VIRTIO_BLK_S_IOERR);
  if (!is_whole_blocks(sector, bytes / kSector)) return fail(VIRTIO_BLK_S_IOERR);
  if (!in && image_->read_only()) return fail(VIRTIO_BLK_S_IOERR);
  offset_ = sector * kSector;
  left_ = length_ = bytes;
  last_part_ = {.offset = offset_, .length = bytes};
  if (!in) writes_up_to_ = offset_ + bytes;
  sync_at_end_ = !in && rules_->writethrough;
  data_at_ = in ? 0 : sizeof(virtio_blk_outhdr);
}

void BlockRequest::begin_get_id() noexcept {
  std::array<char, VIRTIO_BLK_ID_BYTES> id{};
  if (chain_.writable_bytes() - 1 < id.size()) return fail(VIRTIO_BLK_S_IOERR);
  rules_->serial.copy(id.data(), id.size());
  // If the buffer is longer, its rest stays as it is.
  written_ = copy_to_buffers(chain_.writable(), 0, std::as_bytes(std::span{id}));
  length_ = chain_.writable_bytes() - 1;
}

// All ranges are checked before the first is touched: 5.2.6.2.
void BlockRequest::begin_ranges() noexcept {
  const bool zeroes = type_ == VIRTIO_BLK_T_WRITE_ZEROES;
  if (!(zeroes ? rules_->may_write_zeroes : rules_->may_discard)) return fail(VIRTIO_BLK_S_UNSUPP);
  if (image_->read_only()) return fail(VIRTIO_BLK_S_IOERR);
  const uint64_t bytes = chain_.readable_bytes() - sizeof(virtio_blk_outhdr);
  std::array<virtio_blk_discard_write_zeroes, kMostDiscardRanges> asked{};
  const uint64_t most = (zeroes ? kMostWriteZeroesRanges : kMostDiscardRanges) * sizeof asked[0];
  if (bytes == 0 || bytes % sizeof asked[0] != 0 || bytes > most) return fail(VIRTIO_BLK_S_IOERR);
  const auto count = static_cast<size_t>(bytes / sizeof asked[0]);
  copy_from_buffers(chain_.readable(), sizeof(virtio_blk_outhdr),
                    std::as_writable_bytes(std::span{asked}.first(count)));
  unmap_wanted_ = zeroes && rules_->may_unmap;
  for (const auto& range : std::span{asked}.first(count)) {
    const uint8_t status = check_range(range.sector, range.num_sectors, range.flags);
    if (status != VIRTIO_BLK_S_OK) return fail(status);
    if (range.flags == 0) unmap_wanted_ = false;
    if (range.num_sectors == 0) continue;
    ranges_.push_back({.offset = range.sector * kSector, .length = range.num_sectors * kSector});
    writes_up_to_ = std::max(writes_up_to_, ranges_.back().offset + ranges_.back().length);
    length_ += ranges_.back().length;
    // From the beginning of the first range to the end of the last.
    if (last_part_.length == 0) last_part_.offset = ranges_.back().offset;
    last_part_.offset = std::min(last_part_.offset, ranges_.back().offset);
    last_part_.length = writes_up_to_ - last_part_.offset;
  }
  sync_at_end_ = zeroes && rules_->writethrough;
  zeroing_ = unmap_wanted_ ? Zeroing::kUnmap : Zeroing::kZeroRange;
}

bool BlockRequest::is_whole_blocks(uint64_t sector, uint64_t sectors) const noexcept {
  return (sector | sectors) % (image_->logical_block_size() / kSector) == 0;
}

uint8_t BlockRequest::check_range(uint64_t sector, uint32_t sectors, uint32_t flags) const noexcept {
  const bool zeroes = type_ == VIRTIO_BLK_T_WRITE_ZEROES;
  const uint32_t known = zeroes ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;
  if ((flags & ~known) != 0) return VIRTIO_BLK_S_UNSUPP;
  const uint64_t disk = image_->size() / kSector;
  const bool inside = sector <= disk && sectors <= disk - sector;
  const uint32_t most = zeroes ? kMostWriteZeroesSectors : kMostDiscardSectors;
  return inside && sectors <= most && is_whole_blocks(sector, sectors) ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

std::optional<DiskStep> BlockRequest::next_step() noexcept {
  if (status_ != VIRTIO_BLK_S_OK) return std::nullopt;
  const std::optional<DiskStep> step = make_step();
  if (step) last_part_ = {.offset = step->offset, .length = step->length};
  return step;
}

std::optional<DiskStep> BlockRequest::make_step() noexcept {
  if (left_ > 0) return transfer_step();
  if (next_range_ < ranges_.size()) {
    if (is_discard() || zeroing_ != Zeroing::kWrite) return allocate_step();
    offset_ = ranges_[next_range_].offset;
    left_ = ranges_[next_range_].length;
    ++next_range_;
    return transfer_step();
  }
  if (!sync_at_end_) return std::nullopt;
  step_ = DiskStep::Kind::kSync;
  return DiskStep{.kind = step_, .buffers = {}};
}

DiskStep BlockRequest::transfer_step() noexcept {
  const bool zeroes = type_ == VIRTIO_BLK_T_WRITE_ZEROES;
  step_ = type_ == VIRTIO_BLK_T_IN ? DiskStep::Kind::kRead : DiskStep::Kind::kWrite;
  const std::span<const iovec> buffers = zeroes ? gather_zeroes() : gather_data();
  uint64_t bytes = 0;
  for (const iovec& buffer : buffers)
    bytes += buffer.iov_len;
  return {.kind = step_, .offset = offset_, .length = bytes, .buffers = buffers};
}

// As much of the rest as a step may have. Buffers that follow each other in memory become one, so that there is room
// for all.
std::span<const iovec> BlockRequest::gather_data() noexcept {
  const auto buffers = type_ == VIRTIO_BLK_T_IN ? chain_.writable() : chain_.readable();
  uint64_t skip = data_at_;
  uint64_t wanted = std::min(left_, kMostBytesOfStep);
  size_t count = 0;
  for (const iovec& buffer : buffers) {
    if (wanted == 0) break;
    if (skip >= buffer.iov_len) {
      skip -= buffer.iov_len;
      continue;
    }
    std::byte* const base = static_cast<std::byte*>(buffer.iov_base) + skip;
    const uint64_t piece = std::min(buffer.iov_len - skip, wanted);
    skip = 0;
    wanted -= piece;
    iovec* const last = count > 0 ? &step_room_[count - 1] : nullptr;
    if (last != nullptr && static_cast<std::byte*>(last->iov_base) + last->iov_len == base) {
      last->iov_len += piece;
    } else {
      step_room_[count++] = {.iov_base = base, .iov_len = piece};
    }
  }
  return step_room_.first(count);
}

std::span<const iovec> BlockRequest::gather_zeroes() noexcept {
  const std::span<std::byte> zeroes = image_->zeroes();
  size_t count = 0;
  for (uint64_t rest = std::min(left_, kMostBytesOfStep); rest > 0 && count < step_room_.size(); ++count) {
    const uint64_t piece = std::min<uint64_t>(rest, zeroes.size());
    step_room_[count] = {.iov_base = zeroes.data(), .iov_len = piece};
    rest -= piece;
  }
  return step_room_.first(count);
}

DiskStep BlockRequest::allocate_step() noexcept {
  const Part& range = ranges_[next_range_];
  const bool hole = is_discard() || zeroing_ == Zeroing::kUnmap;
  step_ = DiskStep::Kind::kAllocate;
  return {.kind = step_,
          .mode = FALLOC_FL_KEEP_SIZE | (hole ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE),
          .offset = range.offset,
          .length = range.length,
          .buffers = {}};
}

void BlockRequest::step_ended(int64_t result) noexcept {
  if (result == -EAGAIN || result == -EINTR) return;  // the same step again
  if (step_ == DiskStep::Kind::kAllocate) return allocation_ended(result);
  if (result < 0) return fail_on_host(static_cast<int>(-result));
  if (step_ == DiskStep::Kind::kSync) {
    sync_at_end_ = false;
  } else if (result == 0) {
    refuse_shorter();
  } else {
    advance(static_cast<uint64_t>(result));
  }
}

// File systems and devices can do all, some or none of it, or only with whole blocks.
void BlockRequest::allocation_ended(int64_t result) noexcept {
  if (result >= 0) {
    ++next_range_;
    return;
  }
  const bool cannot = result == -EOPNOTSUPP || result == -EINVAL || result == -ENOSYS;
  if (!cannot) return fail_on_host(static_cast<int>(-result));
  if (is_discard()) return fail(VIRTIO_BLK_S_UNSUPP);
  zeroing_ = zeroing_ == Zeroing::kUnmap ? Zeroing::kZeroRange : Zeroing::kWrite;
}

void BlockRequest::advance(uint64_t bytes) noexcept {
  offset_ += bytes;
  data_at_ += bytes;
  left_ -= bytes;
  if (type_ == VIRTIO_BLK_T_IN) written_ += bytes;
}

void BlockRequest::give_up() noexcept {
  const bool done = left_ == 0 && next_range_ == ranges_.size() && !sync_at_end_;
  if (!done && status_ == VIRTIO_BLK_S_OK) fail(VIRTIO_BLK_S_IOERR);
}

void BlockRequest::fail_on_host(int error) noexcept {
  status_ = VIRTIO_BLK_S_IOERR;
  host_error_ = error;
}

uint32_t BlockRequest::finish() noexcept {
  const uint64_t status_at = chain_.writable_bytes() - 1;
  copy_to_buffers(chain_.writable(), status_at, std::as_bytes(std::span{&status_, 1}));
  // The length counts from the first writable byte on. It does not include a status after data that was not written.
  return static_cast<uint32_t>(written_ == status_at ? written_ + 1 : written_);
}

std::string_view BlockRequest::name() const noexcept {
  switch (type_) {
    case VIRTIO_BLK_T_IN: return "read";
    case VIRTIO_BLK_T_OUT: return "write";
    case VIRTIO_BLK_T_FLUSH: return "flush";
    case VIRTIO_BLK_T_DISCARD: return "discard";
    case VIRTIO_BLK_T_WRITE_ZEROES: return "write of zeroes";
    default: return "request";
  }
}

}  // namespace rvvmm

#include "vmm/boot/kernel_content.hpp"

#include <algorithm>
#include <cstring>

#include "base/types.hpp"

namespace rvvmm {
namespace {

// Segments of a kernel start within its first 100 MiB. The limit is needed because a few compressed bytes can expand to
// terabytes.
constexpr uint64_t kMostSkipped = 256_MiB;

}  // namespace

KernelContent::KernelContent(const InputFile& file, FilePart part, Compression compression)
    : file_(file), stream_(open_stream(file, part, compression)) {
  if (compression == Compression::kNone) size_ = part.size;
  head_size_ = stream_->read(head_);
  position_ = head_size_;
}

size_t KernelContent::read(uint64_t offset, std::span<std::byte> out) {
  size_t from_head = 0;
  if (offset < head_size_) {
    from_head = std::min(out.size(), static_cast<size_t>(head_size_ - offset));
    std::memcpy(out.data(), head_.data() + offset, from_head);
  }
  if (from_head == out.size()) return from_head;
  if (!size_ && offset > position_ && offset - position_ > kMostSkipped) {
    throw error("has parts too far into the compressed file; decompress it and give the result");
  }
  if (!stream_->seek(offset + from_head)) {
    throw error("its parts are out of order in the compressed file; decompress it and give the result");
  }
  const size_t got = from_head + stream_->read(out.subspan(from_head));
  position_ = offset + got;
  return got;
}

bool KernelContent::drain(uint64_t most) {
  if (size_) return true;
  std::array<std::byte, 16384> unused;
  uint64_t drained = 0;
  for (size_t got = unused.size(); got == unused.size(); drained += got) {
    if (drained >= most) return false;
    got = stream_->read(unused);
  }
  return true;
}

void KernelContent::clear(std::span<std::byte> out) const {
  while (!out.empty()) {
    const auto part = out.first(std::min<size_t>(out.size(), InputFile::kCheckpointBytes));
    std::ranges::fill(part, std::byte{0});
    file_.advance(part.size());
    out = out.subspan(part.size());
  }
}

}  // namespace rvvmm

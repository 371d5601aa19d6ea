#include "vmm/boot/decompress.hpp"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <format>
#include <new>

#include "base/types.hpp"

namespace rvvmm {
namespace {

constexpr size_t kInputChunk = 256_KiB;
constexpr size_t kSkipChunk = 64_KiB;
constexpr size_t kLargestStep = 1_MiB;  // between two calls of the checkpoint

class PlainStream final : public ByteStream {
 public:
  PlainStream(const InputFile& file, FilePart part) noexcept : file_(file), part_(part) {}

  size_t read(std::span<std::byte> out) override {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(out.size(), part_.size - position_));
    file_.read(part_.offset + position_, out.first(wanted));
    position_ += wanted;
    return wanted;
  }

  bool seek(uint64_t offset) override {
    position_ = std::min(offset, part_.size);
    return true;
  }

 private:
  const InputFile& file_;
  FilePart part_;
  uint64_t position_ = 0;
};

/// A window on the compressed bytes. It moves forward through the file.
class CompressedInput {
 public:
  CompressedInput(const InputFile& file, FilePart part)
      : file_(file), rest_(part), buffer_(std::make_unique_for_overwrite<std::byte[]>(kInputChunk)) {}

  /// The next bytes: at least `least` of them (not above kInputChunk), unless fewer are left.
  std::span<const std::byte> peek(size_t least) {
    if (end_ - begin_ < least && rest_.size > 0) refill();
    return {buffer_.get() + begin_, end_ - begin_};
  }
  void consume(size_t count) noexcept { begin_ += count; }
  uint64_t left() const noexcept { return end_ - begin_ + rest_.size; }

 private:
  void refill() {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    const auto count = static_cast<size_t>(std::min<uint64_t>(kInputChunk - end_, rest_.size));
    file_.read(rest_.offset, {buffer_.get() + end_, count});
    rest_.offset += count;
    rest_.size -= count;
    end_ += count;
  }

  const InputFile& file_;
  FilePart rest_;  // not yet read
  std::unique_ptr<std::byte[]> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
};

/// The common part of all compressed streams: forward reading, and the error messages for damaged data.
class CompressedStream : public ByteStream {
 public:
  CompressedStream(const InputFile& file, FilePart part, std::string_view format)
      : input_(file, part), file_(file), format_(format) {}

  size_t read(std::span<std::byte> out) final {
    size_t done = 0;
    while (done < out.size() && !finished_) {
      const size_t made = step(out.subspan(done, std::min(out.size() - done, kLargestStep)));
      file_.advance(made);
      done += made;
    }
    position_ += done;
    return done;
  }

  bool seek(uint64_t offset) final {
    if (offset < position_) return false;
    std::array<std::byte, kSkipChunk> skipped;
    while (position_ < offset && !finished_) {
      read(std::span{skipped}.first(static_cast<size_t>(std::min<uint64_t>(kSkipChunk, offset - position_))));
    }
    return true;
  }

 protected:
  /// Makes progress: produces output, consumes input, finishes or throws. Returns how many bytes it wrote to `out`.
  /// `out` has room for 1 to kLargestStep bytes.
  virtual size_t step(std::span<std::byte> out) = 0;

  void finish() noexcept { finished_ = true; }
  SetupError cut_short() const {
    return file_.error(std::format("its {} stream is cut short: the file is not whole", format_));
  }
  SetupError corrupt(std::string_view why) const {
    return file_.error(std::format("its {} stream is corrupt ({})", format_, why));
  }
  SetupError trailing_garbage() const {
    return file_.error(
        std::format("{} bytes follow the end of its {} stream: the file is damaged", input_.left(), format_));
  }

  CompressedInput input_;

 private:
  const InputFile& file_;
  std::string_view format_;
  uint64_t position_ = 0;
  bool finished_ = false;
};

/// RFC 1952. Takes several members, as gzip(1) does. zlib checks length and CRC of each member.
class GzipStream final : public CompressedStream {
 public:
  GzipStream(const InputFile& file, FilePart part) : CompressedStream(file, part, "gzip") {
    constexpr int kWindowBitsGzipOnly = 15 + 16;
    if (inflateInit2(&zlib_, kWindowBitsGzipOnly) != Z_OK) throw std::bad_alloc{};
  }
  ~GzipStream() override { inflateEnd(&zlib_); }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;

 protected:
  size_t step(std::span<std::byte> out) override {
    const auto in = input_.peek(1);
    // zlib does not write its input, but its interface lacks the const.
    zlib_.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in.data()));
    zlib_.avail_in = static_cast<uInt>(in.size());
    zlib_.next_out = reinterpret_cast<Bytef*>(out.data());
    zlib_.avail_out = static_cast<uInt>(out.size());
    const int result = inflate(&zlib_, Z_NO_FLUSH);
    input_.consume(in.size() - zlib_.avail_in);
    if (result == Z_STREAM_END) {
      end_member();
    } else if (result == Z_BUF_ERROR) {
      throw cut_short();  // there was room for output, so input is missing
    } else if (result == Z_MEM_ERROR) {
      throw std::bad_alloc{};
    } else if (result != Z_OK) {
      throw corrupt(zlib_.msg != nullptr ? zlib_.msg : "not decodable");
    }
    return out.size() - zlib_.avail_out;
  }

 private:
  void end_member() {
    const auto next = input_.peek(2);
    constexpr std::array kMagic{std::byte{0x1f}, std::byte{0x8b}};
    if (next.size() >= 2 && std::ranges::equal(next.first(2), kMagic)) {
      if (inflateReset(&zlib_) != Z_OK) throw corrupt("not decodable");
      return;
    }
    skip_padding();
    finish();
  }

  // Like gzip(1): zeros fill the rest of a tape block or a partition. Any other bytes mean that the file is damaged.
  void skip_padding() {
    for (auto rest = input_.peek(1); !rest.empty(); rest = input_.peek(1)) {
      if (std::ranges::any_of(rest, [](std::byte byte) { return byte != std::byte{0}; })) throw trailing_garbage();
      input_.consume(rest.size());
    }
  }

  z_stream zlib_{};
};

/// RFC 8878. Takes several frames. libzstd's default limits the window to 128 MiB, which is enough for all files that
/// the kernel's build makes.
class ZstdStream final : public CompressedStream {
 public:
  ZstdStream(const InputFile& file, FilePart part) : CompressedStream(file, part, "zstd"), zstd_(ZSTD_createDStream()) {
    if (!zstd_) throw std::bad_alloc{};
  }

 protected:
  size_t step(std::span<std::byte> out) override {
    if (between_frames_ && !begin_frame()) return 0;
    const auto in = input_.peek(1);
    ZSTD_inBuffer from{.src = in.data(), .size = in.size(), .pos = 0};
    ZSTD_outBuffer to{.dst = out.data(), .size = out.size(), .pos = 0};
    const size_t result = ZSTD_decompressStream(zstd_.get(), &to, &from);
    if (ZSTD_isError(result) != 0) throw corrupt(ZSTD_getErrorName(result));
    if (from.pos == 0 && to.pos == 0 && result != 0) throw cut_short();
    input_.consume(from.pos);
    between_frames_ = result == 0;
    return to.pos;
  }

 private:
  struct Free {
    void operator()(ZSTD_DStream* stream) const noexcept { ZSTD_freeDStream(stream); }
  };

  /// At the end of the input: finishes and returns false.
  bool begin_frame() {
    const auto next = input_.peek(sizeof(uint32_t));
    if (next.empty()) {
      finish();
      return false;
    }
    uint32_t magic = 0;
    if (next.size() >= sizeof(magic)) std::memcpy(&magic, next.data(), sizeof(magic));
    const bool skippable = (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
    if (magic != ZSTD_MAGICNUMBER && !skippable) throw trailing_garbage();
    between_frames_ = false;
    return true;
  }

  std::unique_ptr<ZSTD_DStream, Free> zstd_;
  bool between_frames_ = false;
};

}  // namespace

std::unique_ptr<ByteStream> open_stream(const InputFile& file, FilePart part, Compression compression) {
  switch (compression) {
    case Compression::kNone: return std::make_unique<PlainStream>(file, part);
    case Compression::kGzip: return std::make_unique<GzipStream>(file, part);
    case Compression::kZstd: return std::make_unique<ZstdStream>(file, part);
  }
  return nullptr;
}

}  // namespace rvvmm

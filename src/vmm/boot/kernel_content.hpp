// A kernel's bytes after decompression. The first bytes are kept to detect the format; the rest is read into place.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "vmm/boot/decompress.hpp"
#include "vmm/host/input_file.hpp"

namespace rvvmm {

class KernelContent {
 public:
  KernelContent(const InputFile& file, FilePart part, Compression compression);

  /// The first bytes: 4 KiB, or all if there are fewer.
  std::span<const std::byte> head() const noexcept { return std::span{head_}.first(head_size_); }

  /// Size of a plain file's part. nullopt for compressed content, whose size is known only after reading it.
  std::optional<uint64_t> size() const noexcept { return size_; }

  /// Fills `out` from `offset` of the content; returns less than its size only at the end. For compressed content it
  /// throws SetupError if the bytes are behind the head and before the current position, or if they are so far ahead
  /// that the file must be malicious.
  size_t read(uint64_t offset, std::span<std::byte> out);

  /// Reads to the end of compressed content, so that its checksum is verified. Gives up after `most` bytes and returns
  /// false.
  bool drain(uint64_t most);

  /// Fills `out`, for which there is no content, with zeros.
  void clear(std::span<std::byte> out) const;

  SetupError error(std::string_view what) const { return file_.error(what); }

 private:
  static constexpr size_t kHeadSize = 4096;

  const InputFile& file_;
  std::unique_ptr<ByteStream> stream_;
  std::optional<uint64_t> size_;
  std::array<std::byte, kHeadSize> head_;
  size_t head_size_;
  uint64_t position_;  // of the stream
};

}  // namespace rvvmm

// A kernel's bytes after decompression: its first ones at hand to find out what it is, the rest read into place.
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

  /// All bytes of a plain file's part; nullopt for compressed content, which tells only by being read.
  std::optional<uint64_t> size() const noexcept { return size_; }

  /// Fills `out` from `offset` of the content; returns less than its size only at the end. Throws SetupError for
  /// bytes of compressed content behind the head that have gone by, or that lie so far ahead that it must be a trap.
  size_t read(uint64_t offset, std::span<std::byte> out);

  /// Reads to the end of compressed content, so that its checksum is seen, but gives up after `most` bytes: false.
  bool drain(uint64_t most);

  /// Zeroes `out`, which the content says nothing about.
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

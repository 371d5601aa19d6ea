// The content of an input file as a stream of bytes, whether it lies there plain or compressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "vmm/host/input_file.hpp"

namespace rvvmm {

enum class Compression : uint8_t { kNone, kGzip, kZstd };

/// Bytes [offset, offset + size) of a file.
struct FilePart {
  uint64_t offset = 0;
  uint64_t size = 0;
};

/// Delivers content straight into the caller's memory: there is no copy between for a plain file, and none of
/// ours for a compressed one. Throws SetupError where the data is corrupt, cut short or followed by garbage.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// Fills `out` with what comes next; returns less than its size only at the end of the content.
  virtual size_t read(std::span<std::byte> out) = 0;

  /// Goes to byte `offset` of the content, which must not be past its end. Compressed content is only ever
  /// walked forwards: false, and nothing done, for an offset that has gone by.
  virtual bool seek(uint64_t offset) = 0;
};

/// `file` must outlive the stream; `part` must lie in it.
std::unique_ptr<ByteStream> open_stream(const InputFile& file, FilePart part, Compression compression);

}  // namespace rvvmm

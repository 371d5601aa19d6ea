// The content of an input file as a stream of bytes, whether the file is plain or compressed.
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

/// Delivers content directly into the caller's memory. A plain file is not copied in between; for a compressed file
/// only the library may copy. Throws SetupError if the data is corrupt, cut short or followed by garbage.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  /// Fills `out` with the next bytes; returns less than its size only at the end of the content.
  virtual size_t read(std::span<std::byte> out) = 0;

  /// Goes to byte `offset` of the content, which must not be past its end. Compressed content is only read forwards.
  /// For an offset before the current position, seek() does nothing and returns false.
  virtual bool seek(uint64_t offset) = 0;
};

/// `file` must outlive the stream; `part` must be inside the file.
std::unique_ptr<ByteStream> open_stream(const InputFile& file, FilePart part, Compression compression);

}  // namespace rvvmm

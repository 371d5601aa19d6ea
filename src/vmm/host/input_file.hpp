// A file that the user named and rvvmm only reads: kernel, initrd, device tree. It stays open, so that a guest's reboot
// loads the same file again even if its path was replaced in the meantime. For a pipe, rvvmm keeps a copy in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/types.hpp"

namespace rvvmm {

class InputFile {
 public:
  /// The largest size that is read from a pipe. The copy stays in memory during the lifetime of this object.
  static constexpr uint64_t kMostFromPipe = 1_GiB;

  /// Opens `path` for reading. Throws SetupError(kBadInput) unless `path` is a readable regular file that is not empty,
  /// or a pipe with a writer. A pipe is read to its end: at least 1 byte, at most `most_from_pipe`. A FIFO without a
  /// writer is refused; the constructor does not wait for a writer. `option`: "--kernel"; `wanted`: what the option
  /// needs, "a RISC-V kernel image".
  InputFile(std::string option, std::string path, std::string wanted, uint64_t most_from_pipe = kMostFromPipe);

  /// The current size of the file in bytes, at least 1. Throws SetupError if the file is empty now.
  uint64_t size() const;

  /// Fills `out` from byte `offset`. Throws SetupError if the file is too short or the disk fails.
  void read(uint64_t offset, std::span<std::byte> out) const;

  /// Bytes between two calls of the checkpoint: some hundredths of a second when decompressing on a slow host.
  static constexpr uint64_t kCheckpointBytes = 4_MiB;
  /// `checkpoint` is called after each kCheckpointBytes that are read or decompressed. It may throw to end the reading.
  void set_checkpoint(std::function<void()> checkpoint) { checkpoint_ = std::move(checkpoint); }
  /// Reports `bytes` more of decompressed content. read() counts its bytes itself.
  void advance(uint64_t bytes) const;

  /// "<option> <path>: <what>", kBadInput; unprintable characters of the path appear as '?', so that the message stays
  /// one line.
  SetupError error(std::string_view what) const;
  const std::string& path() const noexcept { return path_; }

 private:
  Fd copy_of(const Fd& pipe, uint64_t most) const;

  std::string option_;
  std::string path_;
  std::string wanted_;
  Fd fd_;
  std::function<void()> checkpoint_;
  mutable uint64_t since_checkpoint_ = 0;
};

}  // namespace rvvmm

// A file that the user named and rvvmm only reads: kernel, initrd, device tree. Held open, so that a guest's
// reboot loads the same file again even when its path was replaced meanwhile. Of a pipe there is a copy in memory.
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
  /// The most that is taken from a pipe: it is all in memory, for as long as this lives.
  static constexpr uint64_t kMostFromPipe = 1_GiB;

  /// Opens `path` for reading. Throws SetupError(kBadInput) unless it is a regular file with content that may be
  /// read, or a pipe with a writer, which is read to its end: at least a byte, at most `most_from_pipe`. A FIFO that
  /// has no writer is refused rather than waited for. `option`: "--kernel"; `wanted`: what would be right there, "a
  /// RISC-V kernel image".
  InputFile(std::string option, std::string path, std::string wanted, uint64_t most_from_pipe = kMostFromPipe);

  /// Bytes in the file now, at least 1. Throws SetupError: the file was emptied since.
  uint64_t size() const;

  /// Fills `out` from byte `offset`. Throws SetupError when the file ends before, or the disk fails.
  void read(uint64_t offset, std::span<std::byte> out) const;

  /// How often the checkpoint is called: some hundredths of a second, when decompressing on a slow host.
  static constexpr uint64_t kCheckpointBytes = 4_MiB;
  /// Called behind each kCheckpointBytes that are read, or made from what is read; it may throw to end that.
  void set_checkpoint(std::function<void()> checkpoint) { checkpoint_ = std::move(checkpoint); }
  /// `bytes` more have been made of the content. read() counts its own.
  void advance(uint64_t bytes) const;

  /// "<option> <path>: <what>", kBadInput; unprintable characters of the path appear as '?', so it stays one line.
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

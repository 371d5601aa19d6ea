// A file that an option names and that rvvmm writes.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace rvvmm {

/// One thread at a time. A FIFO must already have a reader: opening it does not wait for one.
class OutputFile {
 public:
  enum class Start {
    kEmptied,  ///< truncated by the first write, so a start that fails earlier keeps the old content
    kAtEnd,
  };
  /// How long a write waits for a pipe's reader that makes no room: until this is true. Then the write fails with
  /// EAGAIN.
  using GiveUp = const std::atomic<bool>*;
  /// Waits for kReaderPatience.
  static constexpr GiveUp kSoon = nullptr;
  /// Never gives up. Use it only while no machine runs, because then a signal still ends the process.
  static const GiveUp kNever;

  /// Throws SetupError (kUsage) "<option> <path>: cannot be written: ...".
  OutputFile(const std::string& option, const std::string& path, Start start);

  /// Writes all of `bytes`. Returns 0, or the errno that stopped it.
  int write(std::span<const std::byte> bytes, GiveUp give_up = kSoon) noexcept;
  int write(std::string_view text, GiveUp give_up = kSoon) noexcept {
    return write(std::as_bytes(std::span{text}), give_up);
  }
  /// Writes the whole content of the file. Removes the file if that fails, because a partial file is worse than none.
  /// Throws SetupError (kInternal).
  void write_whole(std::span<const std::byte> bytes, GiveUp give_up);
  void write_whole(std::string_view text, GiveUp give_up) { write_whole(std::as_bytes(std::span{text}), give_up); }

  int fd() const noexcept { return fd_.get(); }

  /// "<option> <path>: cannot be written: <text of errno_value>".
  SetupError error(ExitStatus status, int errno_value) const;

  /// Removes the file if opening it created it and no process has written to it, so that a failed start leaves no empty
  /// file.
  void remove_if_unused() const noexcept;

 private:
  void remove() const noexcept;

  std::string option_;
  std::string path_;
  bool made_ = false;
  bool to_empty_ = false;
  Fd fd_;
};

}  // namespace rvvmm

// A file that an option names and rvvmm writes.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace rvvmm {

/// One thread at a time. A FIFO has to have its reader: nobody waits for one to come.
class OutputFile {
 public:
  enum class Start {
    kEmptied,  ///< by the first write: a start that fails before leaves what was there
    kAtEnd,
  };
  /// How long a write waits for the reader of a pipe, who makes no room: until this is true, then it is EAGAIN.
  using GiveUp = const std::atomic<bool>*;
  /// For kReaderPatience.
  static constexpr GiveUp kSoon = nullptr;
  /// Only where a signal still ends the process by itself: no machine runs.
  static const GiveUp kNever;

  /// Throws SetupError (kUsage) "<option> <path>: cannot be written: ...".
  OutputFile(const std::string& option, const std::string& path, Start start);

  /// All of `bytes`; 0, or the errno that stopped it.
  int write(std::span<const std::byte> bytes, GiveUp give_up = kSoon) noexcept;
  int write(std::string_view text, GiveUp give_up = kSoon) noexcept {
    return write(std::as_bytes(std::span{text}), give_up);
  }
  /// All that the file is to have. What cannot be written whole is removed: a part is worse than none. Throws
  /// SetupError (kInternal).
  void write_whole(std::span<const std::byte> bytes, GiveUp give_up);
  void write_whole(std::string_view text, GiveUp give_up) { write_whole(std::as_bytes(std::span{text}), give_up); }

  int fd() const noexcept { return fd_.get(); }

  /// "<option> <path>: cannot be written: <text of errno_value>".
  SetupError error(ExitStatus status, int errno_value) const;

  /// Removes the file if opening made it and nothing has been written to it, by whomever: a start that fails for some
  /// other reason leaves nothing behind.
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

// A file that an option names and rvvmm writes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace rvvmm {

/// One thread at a time.
class OutputFile {
 public:
  enum class Start {
    kEmptied,  ///< by the first write: a start that fails before leaves what was there
    kAtEnd,
  };
  /// What becomes of a pipe that nobody reads, or not fast enough: wait for the reader, or fail.
  enum class Reader { kWaitedFor, kNotWaitedFor };

  /// Throws SetupError (kUsage) "<option> <path>: cannot be written: ...".
  OutputFile(const std::string& option, const std::string& path, Start start, Reader reader = Reader::kWaitedFor);

  /// All of `bytes`; 0, or the errno that stopped it (EAGAIN for a reader that is not waited for).
  int write(std::span<const std::byte> bytes) noexcept;
  int write(std::string_view text) noexcept { return write(std::as_bytes(std::span{text})); }

  int fd() const noexcept { return fd_.get(); }

  /// "<option> <path>: cannot be written: <text of errno_value>".
  SetupError error(ExitStatus status, int errno_value) const;

  /// Removes the file if opening made it and nothing has been written to it, by whomever: a start that fails for some
  /// other reason leaves nothing behind.
  void remove_if_unused() const noexcept;
  /// Removes the file, for which a part is worse than none; a device, a pipe or a link is not ours to remove.
  void remove() const noexcept;

 private:
  std::string option_;
  std::string path_;
  bool made_ = false;
  bool to_empty_ = false;
  Fd fd_;
};

}  // namespace rvvmm

// Lines for somebody who may not read them: what rvvmm says on stderr, and its log.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/mutex.hpp"

namespace rvvmm {

/// Who writes does not sleep while nobody reads: the main thread has signals to serve, and a hart has to end when it is
/// told to. A reader gets kReaderPatience once; from then on, until it has made room, lines are lost at once. So are
/// those for which a disk has no space. They are counted, and the count is the first line that is written again. Any
/// thread.
class LineOutput {
 public:
  /// `fd` stays the caller's.
  explicit LineOutput(int fd) noexcept : fd_(fd) {}
  LineOutput(const LineOutput&) = delete;
  LineOutput& operator=(const LineOutput&) = delete;

  /// `text`: whole lines, each with its line feed, or a prompt. On a terminal, which may be in raw mode for the guest,
  /// a line ends in "\r\n". 0, or the errno for which it, or its rest, is lost.
  int write(std::string_view text) noexcept { return write_for(text, nullptr); }
  /// Waits for who reads until `give_up` is true. For harts, which somebody tells to end.
  int write(std::string_view text, const std::atomic<bool>& give_up) noexcept { return write_for(text, &give_up); }

  /// Says what has been lost since the last line, if there is room for that.
  void say_lost() noexcept;

 private:
  int write_for(std::string_view text, const std::atomic<bool>* give_up) noexcept;
  int put_all(std::string_view text, const std::atomic<bool>* give_up) noexcept;
  /// Takes from `text` what it has written.
  int put(std::string_view& text, bool patiently) noexcept REQUIRES(mu_);
  int put_lost() noexcept REQUIRES(mu_);
  void lose(std::string_view rest, bool begun, int why) noexcept REQUIRES(mu_);

  const int fd_;
  Mutex mu_;
  uint64_t lost_ GUARDED_BY(mu_) = 0;     // lines, since the last that was written
  int why_lost_ GUARDED_BY(mu_) = 0;      // errno
  bool cut_ GUARDED_BY(mu_) = false;      // of the last line only a part is out
  bool stalled_ GUARDED_BY(mu_) = false;  // the reader has had its time, and has not read since
};

/// The one of stderr.
LineOutput& standard_error() noexcept;

}  // namespace rvvmm

// Lines for a reader that may be slow or absent: rvvmm's messages on stderr, and its log.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "base/mutex.hpp"

namespace rvvmm {

/// A writer does not block while nobody reads: the main thread must serve signals, and a hart must end when it is told
/// to. A reader that makes no room gets kReaderPatience once; after that, lines are dropped at once until it has made
/// room. Lines for which a disk has no space are dropped too. Dropped lines are counted, and the next line that can be
/// written reports the count. Any thread.
class LineOutput {
 public:
  /// The caller keeps ownership of `fd`.
  explicit LineOutput(int fd) noexcept : fd_(fd) {}
  LineOutput(const LineOutput&) = delete;
  LineOutput& operator=(const LineOutput&) = delete;

  /// `text`: whole lines, each with its line feed, or a prompt. On a terminal, which may be in raw mode for the guest,
  /// a line ends in "\r\n". Returns 0, or the errno why the text or its rest was dropped.
  int write(std::string_view text) noexcept { return write_for(text, nullptr); }
  /// The same, but waits for the reader until `give_up` is true. For harts, because another thread tells them to end.
  int write(std::string_view text, const std::atomic<bool>& give_up) noexcept { return write_for(text, &give_up); }

  /// Reports how many lines were dropped since the last written line, if there is room for the report.
  void say_lost() noexcept;

 private:
  int write_for(std::string_view text, const std::atomic<bool>* give_up) noexcept;
  int put_all(std::string_view text, const std::atomic<bool>* give_up) noexcept;
  /// Removes from `text` what it has written.
  int put(std::string_view& text, bool patiently) noexcept REQUIRES(mu_);
  int put_lost() noexcept REQUIRES(mu_);
  void lose(std::string_view rest, bool begun, int why) noexcept REQUIRES(mu_);

  const int fd_;
  Mutex mu_;
  uint64_t lost_ GUARDED_BY(mu_) = 0;     // lines, since the last written line
  int why_lost_ GUARDED_BY(mu_) = 0;      // errno
  bool cut_ GUARDED_BY(mu_) = false;      // only a part of the last line was written
  bool stalled_ GUARDED_BY(mu_) = false;  // the reader used up its time and has not read since
};

/// The object for stderr.
LineOutput& standard_error() noexcept;

}  // namespace rvvmm

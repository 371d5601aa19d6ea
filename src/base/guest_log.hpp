// Lines that guests write to the log.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/log.hpp"
#include "base/mutex.hpp"
#include "base/types.hpp"

namespace rvvmm {

/// Any hart. A guest must not fill the log, and a hart must not wait for it. So a line is dropped if lines come too
/// fast, if the total limit is reached, or if nobody reads the log. One object serves all machines of a run, so a reset
/// does not reset the limits.
class GuestLog {
 public:
  static constexpr uint32_t kLinesPerSecond = 100;
  /// What each line counts in addition to its text: time, level, module and hart.
  static constexpr uint64_t kBytesPerLine = 64;
  static constexpr uint64_t kUsualLimit = 16_MiB;

  /// `limit`: total bytes. When it is reached, one warning says so.
  explicit GuestLog(uint64_t limit = kUsualLimit) noexcept : limit_(limit) {}

  /// `text` comes from the guest, unchecked, and may be in its RAM: it is read once and cut to RVVMM_LOG_MAX_BYTES.
  /// False if the line was dropped. A line below the level of Module::kGuest is not written and does not count as
  /// dropped.
  bool line(HartId hart, log::Level level, std::string_view text) noexcept;

 private:
  bool may_log_now() noexcept REQUIRES(mu_);
  bool has_room_for(size_t text_size) noexcept REQUIRES(mu_);

  const uint64_t limit_;

  Mutex mu_;
  int64_t second_ GUARDED_BY(mu_) = 0;  // the second in which lines_ are counted
  uint32_t lines_ GUARDED_BY(mu_) = 0;
  uint64_t bytes_ GUARDED_BY(mu_) = 0;
  bool limit_said_ GUARDED_BY(mu_) = false;
};

}  // namespace rvvmm

// Lines that guests write to the log.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/log.hpp"
#include "base/mutex.hpp"
#include "base/types.hpp"

namespace rvvmm {

/// Any hart. The log is not the guest's to fill, nor a place to wait: what comes too fast, is too much in all, or finds
/// a reader of the log that sleeps, is dropped. One for all machines of a run, so that a guest gains nothing by a
/// reset.
class GuestLog {
 public:
  static constexpr uint32_t kLinesPerSecond = 100;
  /// What a line counts beyond its text: time, level, module and hart.
  static constexpr uint64_t kBytesPerLine = 64;
  static constexpr uint64_t kUsualLimit = 16_MiB;

  /// `limit`: bytes in all. That it is reached is said once.
  explicit GuestLog(uint64_t limit = kUsualLimit) noexcept : limit_(limit) {}

  /// `text` is the guest's, in its RAM or not, and unchecked: it is read once, and cut to RVVMM_LOG_MAX_BYTES. False
  /// where the line was dropped. Lines below the level of Module::kGuest go nowhere, which is no drop.
  bool line(HartId hart, log::Level level, std::string_view text) noexcept;

 private:
  bool may_log_now() noexcept REQUIRES(mu_);
  bool has_room_for(size_t text_size) noexcept REQUIRES(mu_);

  const uint64_t limit_;

  Mutex mu_;
  int64_t second_ GUARDED_BY(mu_) = 0;  // the one that lines_ counts in
  uint32_t lines_ GUARDED_BY(mu_) = 0;
  uint64_t bytes_ GUARDED_BY(mu_) = 0;
  bool limit_said_ GUARDED_BY(mu_) = false;
};

}  // namespace rvvmm

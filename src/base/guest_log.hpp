// Lines that guests write to the log.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/log.hpp"
#include "base/mutex.hpp"
#include "base/types.hpp"

namespace rvvmm {

/// Any hart. The log is not the guest's to fill, nor a place to wait: what comes too fast, or finds a reader of the log
/// that sleeps, is dropped. One for all machines of a run, so that a guest gains nothing by a reset.
class GuestLog {
 public:
  static constexpr uint32_t kLinesPerSecond = 100;

  /// `text` is the guest's, in its RAM or not, and unchecked: it is read once, and cut to RVVMM_LOG_MAX_BYTES. False
  /// where the line was dropped. Lines below the level of Module::kGuest go nowhere, which is no drop.
  bool line(HartId hart, log::Level level, std::string_view text) noexcept;

 private:
  bool may_log_now() noexcept REQUIRES(mu_);

  Mutex mu_;
  int64_t second_ GUARDED_BY(mu_) = 0;  // the one that lines_ counts in
  uint32_t lines_ GUARDED_BY(mu_) = 0;
};

}  // namespace rvvmm

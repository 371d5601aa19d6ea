#include "base/guest_log.hpp"

#include <rvvmm/hypercall.h>

#include <array>
#include <chrono>
#include <span>
#include <utility>

#include "base/printable.hpp"

namespace rvvmm {

bool GuestLog::may_log_now() noexcept {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const int64_t second = std::chrono::duration_cast<std::chrono::seconds>(now).count();
  if (second > second_) {
    second_ = second;
    lines_ = 0;
  }
  return lines_++ < kLinesPerSecond;
}

bool GuestLog::has_room_for(size_t text_size) noexcept {
  if (bytes_ + text_size + kBytesPerLine <= limit_) return true;
  if (!std::exchange(limit_said_, true)) {
    log::line(log::Module::kGuest, log::Level::kWarn,
              "the guest has logged {} bytes, and no more of its lines are shown (--guest-log-limit)", bytes_);
  }
  return false;
}

bool GuestLog::line(HartId hart, log::Level level, std::string_view text) noexcept {
  if (!log::enabled(log::Module::kGuest, level)) return true;
  std::array<char, RVVMM_LOG_MAX_BYTES> shown;  // a copy, because the guest may change the text after the check
  const size_t size = text.copy(shown.data(), shown.size());
  make_printable(std::span{shown}.first(size));
  const LockGuard lock{mu_};
  if (!may_log_now() || !has_room_for(size)) return false;
  if (!log::line(log::Module::kGuest, level, "hart {}: {}", hart.value, std::string_view{shown.data(), size}))
    return false;
  bytes_ += size + kBytesPerLine;
  return true;
}

}  // namespace rvvmm

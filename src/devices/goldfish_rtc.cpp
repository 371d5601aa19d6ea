// Registers: Linux, include/clocksource/timer-goldfish.h; their use: drivers/rtc/rtc-goldfish.c.
#include "devices/goldfish_rtc.hpp"

#include <algorithm>
#include <cstring>

namespace rvvmm {
namespace {

enum Register : uint64_t {
  kTimeLow = 0x00,
  kTimeHigh = 0x04,
  kAlarmLow = 0x08,
  kAlarmHigh = 0x0C,
  kIrqEnabled = 0x10,
  kClearAlarm = 0x14,
  kAlarmStatus = 0x18,
  kClearInterrupt = 0x1C,
};

constexpr uint64_t with_low(uint64_t value, uint32_t low) noexcept {
  return (value >> 32 << 32) | low;
}
constexpr uint64_t with_high(uint64_t value, uint32_t high) noexcept {
  return uint64_t{high} << 32 | (value & UINT32_MAX);
}

}  // namespace

std::chrono::nanoseconds GoldfishRtc::host_time() noexcept {
  return std::chrono::system_clock::now().time_since_epoch();
}

IoStatus GoldfishRtc::read(uint64_t offset, std::span<std::byte> out) noexcept {
  if (offset > kClearInterrupt || offset % 4 != 0) return IoStatus::kNoRegister;
  if (out.size() != 4) return IoStatus::kBadWidth;
  const LockGuard lock{mu_};
  uint32_t value = 0;
  switch (offset) {
    case kTimeLow: {
      // The halves are read one after the other; they must be of one moment.
      const uint64_t now = guest_now();
      latched_high_ = static_cast<uint32_t>(now >> 32);
      value = static_cast<uint32_t>(now);
      break;
    }
    case kTimeHigh: value = latched_high_; break;
    case kAlarmLow: value = static_cast<uint32_t>(alarm_); break;
    case kAlarmHigh: value = static_cast<uint32_t>(alarm_ >> 32); break;
    case kIrqEnabled: value = irq_enabled_ ? 1 : 0; break;
    case kAlarmStatus: value = alarm_armed_ ? 1 : 0; break;
    default: break;  // CLEAR_ALARM and CLEAR_INTERRUPT are for writing
  }
  std::memcpy(out.data(), &value, sizeof(value));
  return IoStatus::kOk;
}

IoStatus GoldfishRtc::write(uint64_t offset, std::span<const std::byte> in) noexcept {
  if (offset > kClearInterrupt || offset % 4 != 0) return IoStatus::kNoRegister;
  if (in.size() != 4) return IoStatus::kBadWidth;
  uint32_t value = 0;
  std::memcpy(&value, in.data(), sizeof(value));
  const LockGuard lock{mu_};
  switch (offset) {
    case kTimeLow: set_time(value); break;
    case kTimeHigh: new_time_high_ = value; break;
    case kAlarmLow:
      alarm_ = with_low(alarm_, value);
      set_alarm();
      break;
    case kAlarmHigh: alarm_ = with_high(alarm_, value); break;
    case kIrqEnabled: irq_enabled_ = (value & 1) != 0; break;
    case kClearAlarm: clear_alarm(); break;
    case kClearInterrupt: irq_pending_ = false; break;
    default: break;  // ALARM_STATUS is for reading
  }
  update_irq();
  return IoStatus::kOk;
}

// The driver writes the high half, then the low one, which sets the clock.
void GoldfishRtc::set_time(uint32_t low) noexcept {
  offset_ = (uint64_t{new_time_high_} << 32 | low) - host_now();
  if (alarm_armed_) set_alarm();
}

void GoldfishRtc::set_alarm() noexcept {
  const uint64_t host = host_now();
  const uint64_t now = host + offset_;
  if (alarm_ <= now) {
    clear_alarm();
    irq_pending_ = true;
    return;
  }
  alarm_armed_ = true;
  // A guest may ask for the year 2554; the timer counts in signed nanoseconds and wakes us at 2262 to look again.
  constexpr auto kLast = static_cast<uint64_t>(INT64_MAX);
  const uint64_t wait = std::min(alarm_ - now, host <= kLast ? kLast - host : 0);
  timer_.arm(std::chrono::nanoseconds{static_cast<int64_t>(host + wait)});
}

void GoldfishRtc::clear_alarm() noexcept {
  if (!alarm_armed_) return;
  alarm_armed_ = false;
  timer_.arm(std::nullopt);
}

bool GoldfishRtc::asks_for_interrupt() noexcept {
  const LockGuard lock{mu_};
  return irq_asserted_;
}

void GoldfishRtc::on_alarm() noexcept {
  const LockGuard lock{mu_};
  // The alarm may have been moved or cleared while the loop was on its way here; the host's clock may have been set.
  if (alarm_armed_) set_alarm();
  update_irq();
}

void GoldfishRtc::update_irq() noexcept {
  const bool asserted = irq_pending_ && irq_enabled_;
  if (asserted == irq_asserted_) return;
  irq_asserted_ = asserted;
  irq_.set(asserted);
}

void GoldfishRtc::describe(FdtBuilder& fdt, const FdtSlot& slot) const {
  const auto node = fdt.node("rtc", slot.window.base.value);
  fdt.string("compatible", "google,goldfish-rtc");
  fdt.reg({slot.window});
  fdt.cells("interrupts", slot.interrupts);
}

}  // namespace rvvmm

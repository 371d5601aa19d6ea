// Registers: Linux, include/clocksource/timer-goldfish.h; their use: drivers/rtc/rtc-goldfish.c.
#include "devices/platform/goldfish_rtc.hpp"

#include <algorithm>
#include <cstring>

namespace rvvmm {
namespace {

enum RtcRegister : uint64_t {
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

std::string_view GoldfishRtc::register_name(uint64_t offset, bool /*is_write*/) const noexcept {
  switch (offset) {
    case kTimeLow: return "time_low";
    case kTimeHigh: return "time_high";
    case kAlarmLow: return "alarm_low";
    case kAlarmHigh: return "alarm_high";
    case kIrqEnabled: return "irq_enabled";
    case kClearAlarm: return "clear_alarm";
    case kAlarmStatus: return "alarm_status";
    case kClearInterrupt: return "clear_interrupt";
    default: return {};
  }
}

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
      // The halves are read one after the other; both must be of the same moment.
      const uint64_t now = guest_now();
      state_.latched_high = static_cast<uint32_t>(now >> 32);
      value = static_cast<uint32_t>(now);
      break;
    }
    case kTimeHigh: value = state_.latched_high; break;
    case kAlarmLow: value = static_cast<uint32_t>(state_.alarm); break;
    case kAlarmHigh: value = static_cast<uint32_t>(state_.alarm >> 32); break;
    case kIrqEnabled: value = state_.irq_enabled ? 1 : 0; break;
    case kAlarmStatus: value = state_.alarm_armed ? 1 : 0; break;
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
    case kTimeHigh: state_.new_time_high = value; break;
    case kAlarmLow:
      state_.alarm = with_low(state_.alarm, value);
      set_alarm();
      break;
    case kAlarmHigh: state_.alarm = with_high(state_.alarm, value); break;
    case kIrqEnabled: state_.irq_enabled = (value & 1) != 0; break;
    case kClearAlarm: clear_alarm(); break;
    case kClearInterrupt: state_.irq_pending = false; break;
    default: break;  // ALARM_STATUS is for reading
  }
  update_irq();
  return IoStatus::kOk;
}

// The driver writes the high half, then the low one, which sets the clock.
void GoldfishRtc::set_time(uint32_t low) noexcept {
  state_.offset = (uint64_t{state_.new_time_high} << 32 | low) - host_now();
  if (state_.alarm_armed) set_alarm();
}

void GoldfishRtc::set_alarm() noexcept {
  const uint64_t host = host_now();
  const uint64_t now = host + state_.offset;
  if (state_.alarm <= now) {
    clear_alarm();
    state_.irq_pending = true;
    return;
  }
  state_.alarm_armed = true;
  // A guest may set an alarm in the year 2554. The timer counts signed nanoseconds: it wakes us in 2262, and we arm it
  // again.
  constexpr auto kLast = static_cast<uint64_t>(INT64_MAX);
  const uint64_t wait = std::min(state_.alarm - now, host <= kLast ? kLast - host : 0);
  timer_.arm(std::chrono::nanoseconds{static_cast<int64_t>(host + wait)});
}

void GoldfishRtc::clear_alarm() noexcept {
  if (!state_.alarm_armed) return;
  state_.alarm_armed = false;
  timer_.arm(std::nullopt);
}

bool GoldfishRtc::asks_for_interrupt() noexcept {
  const LockGuard lock{mu_};
  return irq_asserted_;
}

void GoldfishRtc::on_alarm() noexcept {
  const LockGuard lock{mu_};
  // The alarm may have been moved or cleared before this call, and the host's clock may have been set.
  if (state_.alarm_armed) set_alarm();
  update_irq();
}

GoldfishRtcState GoldfishRtc::state() const noexcept {
  const LockGuard lock{mu_};
  return state_;
}

void GoldfishRtc::restore(const GoldfishRtcState& state) noexcept {
  const LockGuard lock{mu_};
  clear_alarm();
  state_ = state;
  if (state_.alarm_armed) set_alarm();
  update_irq();
}

void GoldfishRtc::update_irq() noexcept {
  const bool asserted = state_.irq_pending && state_.irq_enabled;
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

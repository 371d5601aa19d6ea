// The goldfish real-time clock (google,goldfish-rtc): nanoseconds since 1970, and one alarm.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

#include "base/irq.hpp"
#include "base/mutex.hpp"
#include "devices/device.hpp"

namespace rvvmm {

/// Wakes the device's owner at a time of the host's wall clock; the owner then calls on_alarm().
class AlarmTimer {
 public:
  virtual ~AlarmTimer() = default;
  /// Replaces the deadline (time since 1970; a deadline that has passed expires at once), or removes it. Any hart
  /// thread calls it, with the device's mutex held: it must not call back.
  virtual void arm(std::optional<std::chrono::nanoseconds> wall_deadline) noexcept = 0;
};

/// All that software can see of the clock or has put into it, as plain data.
struct GoldfishRtcState {
  uint64_t offset = 0;         ///< guest time minus host time, modulo 2^64
  uint32_t latched_high = 0;   ///< latched by the last read of TIME_LOW
  uint32_t new_time_high = 0;  ///< waits for the write of TIME_LOW
  uint64_t alarm = 0;          ///< guest time
  bool alarm_armed = false;
  bool irq_enabled = false;
  bool irq_pending = false;

  friend bool operator==(const GoldfishRtcState&, const GoldfishRtcState&) = default;
};

/// Any hart thread, and the event loop for on_alarm(); guarded by mu_.
class GoldfishRtc final : public Device {
 public:
  static constexpr uint64_t kWindowSize = 0x1000;

  /// Time since 1970. Any thread; must not throw.
  using WallClock = std::function<std::chrono::nanoseconds()>;
  /// The host's wall clock.
  static std::chrono::nanoseconds host_time() noexcept;

  GoldfishRtc(IrqLine& irq, AlarmTimer& timer, WallClock clock = host_time)
      : irq_(irq), timer_(timer), clock_(std::move(clock)) {}

  std::string_view name() const noexcept override { return "rtc"; }
  std::string_view register_name(uint64_t offset, bool is_write) const noexcept override;
  /// Registers are 32 bits wide.
  IoStatus read(uint64_t offset, std::span<std::byte> out) noexcept override;
  IoStatus write(uint64_t offset, std::span<const std::byte> in) noexcept override;
  void describe(FdtBuilder& fdt, const FdtSlot& slot) const override;

  /// The timer's deadline has come. A call that is too early or too late does no harm.
  void on_alarm() noexcept;
  /// Any thread.
  bool asks_for_interrupt() noexcept;

  GoldfishRtcState state() const noexcept;
  /// For snapshots: takes the state over, arms the timer and drives the interrupt line accordingly. The guest's clock
  /// goes on with the host's. An alarm whose time has passed meanwhile fires at once.
  void restore(const GoldfishRtcState& state) noexcept;

 private:
  uint64_t host_now() const noexcept { return static_cast<uint64_t>(clock_().count()); }
  uint64_t guest_now() const noexcept REQUIRES(mu_) { return host_now() + state_.offset; }
  void set_time(uint32_t low) noexcept REQUIRES(mu_);
  void set_alarm() noexcept REQUIRES(mu_);
  void clear_alarm() noexcept REQUIRES(mu_);
  void update_irq() noexcept REQUIRES(mu_);

  IrqLine& irq_;
  AlarmTimer& timer_;
  const WallClock clock_;

  mutable Mutex mu_;
  GoldfishRtcState state_ GUARDED_BY(mu_);
  bool irq_asserted_ GUARDED_BY(mu_) = false;
};

}  // namespace rvvmm

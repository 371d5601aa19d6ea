#include "vmm/harts/wake_timer.hpp"

#include <algorithm>
#include <ctime>
#include <utility>

namespace rvvmm {
namespace {

constexpr std::chrono::seconds kLongest{10LL * 365 * 24 * 3600};
constexpr uint64_t kNanosecondsPerSecond = 1'000'000'000;

// This clock runs on while the host itself is suspended, as the guest's time does.
constexpr clockid_t kClock = CLOCK_BOOTTIME;

std::chrono::nanoseconds now() noexcept {
  timespec time{};
  ::clock_gettime(kClock, &time);
  return std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec};
}

}  // namespace

WakeTimer::WakeTimer(Parts parts) : parts_(std::move(parts)), timer_(parts_.loop, kClock, [this] { look(); }) {}

std::chrono::nanoseconds WakeTimer::duration(uint64_t ticks, uint64_t timebase_hz) noexcept {
  const uint64_t seconds = ticks / timebase_hz;
  if (seconds >= static_cast<uint64_t>(kLongest.count())) return kLongest;
  // Less than a second is left: the product fits for any timebase below 18 GHz.
  const uint64_t rest = (ticks % timebase_hz * kNanosecondsPerSecond + timebase_hz - 1) / timebase_hz;
  return std::chrono::seconds{seconds} + std::chrono::nanoseconds{rest};
}

void WakeTimer::arm(uint64_t ticks) noexcept {
  const uint64_t now = parts_.ticks();
  deadline_ = ticks < kNever - now ? now + ticks : kNever;
  sleep(ticks);
}

void WakeTimer::disarm() noexcept {
  deadline_ = kNever;
  timer_.disarm();
}

void WakeTimer::sleep(uint64_t ticks) noexcept {
  timer_.arm_at(now() + duration(ticks, parts_.timebase_hz));
}

void WakeTimer::look() {
  const uint64_t deadline = deadline_;
  if (deadline == kNever) return;
  const uint64_t ticks = parts_.ticks();
  if (ticks < deadline) return sleep(deadline - ticks);
  disarm();
  parts_.on_expiry();
}

}  // namespace rvvmm

#include "vmm/host/event_loop.hpp"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/eventfd.hpp"
#include "base/log.hpp"

namespace rvvmm {
namespace {

Fd make_eventfd() {
  return open_eventfd("eventfd for the event loop");
}

timespec to_timespec(std::chrono::nanoseconds time) noexcept {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  timespec out{};
  out.tv_sec = static_cast<time_t>(seconds.count());
  out.tv_nsec = static_cast<long>((time - seconds).count());
  return out;
}

}  // namespace

EventLoop::EventLoop() : wake_(make_eventfd()) {}

EventLoop::~EventLoop() = default;

void EventLoop::stop(StopReason reason) noexcept {
  {
    const LockGuard lock{mu_};
    // A request to end replaces a reset that the guest asked for just before; else the guest would reboot.
    const bool only_reset = stop_reason_ && stop_reason_->kind == StopReason::Kind::kReset;
    if (!stop_reason_ || only_reset) stop_reason_ = reason;
  }
  add_one(wake_.get());
}

StopReason EventLoop::run() {
  runner_ = std::this_thread::get_id();
  constexpr int kForEver = -1;
  while (!is_stopped())
    poll_once(kForEver);
  // A guest that resets as soon as it runs has already stopped the loop. Signals and keys must be served even then.
  poll_once(0);
  const LockGuard lock{mu_};
  return *std::exchange(stop_reason_, std::nullopt);
}

bool EventLoop::serve() {
  runner_ = std::this_thread::get_id();
  if (!is_stopped()) poll_once(0);
  return is_stopped();
}

bool EventLoop::is_stopped() noexcept {
  const LockGuard lock{mu_};
  return stop_reason_.has_value();
}

bool EventLoop::set_timers() {
  // The flag is cleared before the timers are applied: a change from here on sets it again.
  if (!timers_have_changed_.exchange(false)) return true;
  bool all_set = true;
  for (Timer* const timer : timers_)
    all_set &= timer->apply();
  if (!all_set) timers_have_changed_ = true;
  return all_set;
}

void EventLoop::look_at_timers() noexcept {
  timers_have_changed_ = true;
  if (runner_.load() != std::this_thread::get_id()) add_one(wake_.get());
}

void EventLoop::poll_once(int timeout) {
  constexpr int kNextTry = 1000;  // ms
  if (!set_timers() && timeout < 0) timeout = kNextTry;
  compact();
  polled_.clear();
  for (const Watch* watch : watches_) {
    // poll() skips negative descriptors.
    polled_.push_back({.fd = watch->enabled_ ? watch->fd_ : -1, .events = POLLIN, .revents = 0});
  }
  polled_.push_back({.fd = wake_.get(), .events = POLLIN, .revents = 0});
  if (::poll(polled_.data(), polled_.size(), timeout) > 0) dispatch();
}

void EventLoop::dispatch() {
  if (polled_.back().revents != 0) take_count(wake_.get());
  polled_.pop_back();
  // Callbacks may add watches (after the polled ones), remove some (these become nullptr) or disable them.
  for (size_t i = 0; i < polled_.size(); ++i) {
    if (polled_[i].revents == 0 || watches_[i] == nullptr || !watches_[i]->enabled_) continue;
    watches_[i]->on_readable_();
  }
}

void EventLoop::compact() noexcept {
  std::erase(watches_, nullptr);
}

EventLoop::Watch::Watch(EventLoop& loop, int fd, Callback on_readable)
    : loop_(loop), fd_(fd), on_readable_(std::move(on_readable)) {
  loop_.watches_.push_back(this);
}

EventLoop::Watch::~Watch() {
  std::ranges::replace(loop_.watches_, this, static_cast<Watch*>(nullptr));
}

EventLoop::Timer::Timer(EventLoop& loop, clockid_t clock, Callback on_expiry)
    : loop_(loop), clock_(clock), on_expiry_(std::move(on_expiry)) {
  loop_.timers_.push_back(this);
}

EventLoop::Timer::~Timer() {
  std::erase(loop_.timers_, this);
}

void EventLoop::Timer::arm_at(std::chrono::nanoseconds time) noexcept {
  // Zero would disarm the timer, and negative times have passed as well.
  set({.times = {.it_interval = {}, .it_value = to_timespec(std::max(time, std::chrono::nanoseconds{1}))},
       .flags = TFD_TIMER_ABSTIME});
}

void EventLoop::Timer::arm_every(std::chrono::nanoseconds period) noexcept {
  set({.times = {.it_interval = to_timespec(period), .it_value = to_timespec(period)}, .flags = 0});
}

void EventLoop::Timer::disarm() noexcept {
  set({});
}

void EventLoop::Timer::set(const Setting& setting) noexcept {
  {
    const LockGuard lock{mu_};
    wanted_ = setting;
  }
  loop_.look_at_timers();
}

bool EventLoop::Timer::apply() {
  const LockGuard lock{mu_};
  if (!wanted_) return true;
  const timespec& first = wanted_->times.it_value;
  const bool disarms = first.tv_sec == 0 && first.tv_nsec == 0;
  if (!watch_ && !disarms && !make_descriptor()) return false;
  if (watch_) ::timerfd_settime(fd_.get(), wanted_->flags, &wanted_->times, nullptr);
  wanted_.reset();
  return true;
}

bool EventLoop::Timer::make_descriptor() {
  fd_ = Fd{::timerfd_create(clock_, TFD_CLOEXEC | TFD_NONBLOCK)};
  if (fd_) {
    watch_.emplace(loop_, fd_.get(), [this] { on_readable(); });
    return true;
  }
  static constinit log::RateLimit limit{"timers that the host refused"};
  if (const int error = errno; limit.allow()) {
    log::line(log::Module::kVmm, log::Level::kError,
              "timerfd_create for the event loop: {}; a timer is late until the host has a descriptor for it",
              std::generic_category().message(error));
  }
  return false;
}

void EventLoop::Timer::on_readable() {
  {
    const LockGuard lock{mu_};
    if (wanted_) return;  // it was armed again or disarmed since; apply() clears the expiry
  }
  if (take_count(fd_.get())) on_expiry_();
}

Notifier::Notifier(EventLoop& loop, EventLoop::Callback on_notified)
    : fd_(make_eventfd()), watch_(loop, fd_.get(), [fd = fd_.get(), callback = std::move(on_notified)] {
        if (take_count(fd)) callback();
      }) {}

void Notifier::notify() noexcept {
  add_one(fd_.get());
}

}  // namespace rvvmm

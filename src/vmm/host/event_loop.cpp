#include "vmm/host/event_loop.hpp"

#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.hpp"
#include "base/eventfd.hpp"

namespace rvvmm {
namespace {

Fd checked(int fd, const char* what) {
  if (fd < 0) throw SetupError::from_errno(ExitStatus::kInternal, what, errno);
  return Fd{fd};
}

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
    // Whoever asks for the end must not find the guest rebooted because it asked for a reset just before.
    const bool only_reset = stop_reason_ && stop_reason_->kind == StopReason::Kind::kReset;
    if (!stop_reason_ || only_reset) stop_reason_ = reason;
  }
  add_one(wake_.get());
}

StopReason EventLoop::run() {
  constexpr int kForEver = -1;
  while (!is_stopped())
    poll_once(kForEver);
  // A guest that resets as soon as it runs has stopped the loop before this: signals and keys must have their turn.
  poll_once(0);
  const LockGuard lock{mu_};
  return *std::exchange(stop_reason_, std::nullopt);
}

bool EventLoop::serve() {
  if (!is_stopped()) poll_once(0);
  return is_stopped();
}

bool EventLoop::is_stopped() noexcept {
  const LockGuard lock{mu_};
  return stop_reason_.has_value();
}

void EventLoop::poll_once(int timeout) {
  compact();
  polled_.clear();
  for (const Watch* watch : watches_) {
    // A negative descriptor is one that poll() skips.
    polled_.push_back({.fd = watch->enabled_ ? watch->fd_ : -1, .events = POLLIN, .revents = 0});
  }
  polled_.push_back({.fd = wake_.get(), .events = POLLIN, .revents = 0});
  if (::poll(polled_.data(), polled_.size(), timeout) > 0) dispatch();
}

void EventLoop::dispatch() {
  if (polled_.back().revents != 0) take_count(wake_.get());
  polled_.pop_back();
  // Callbacks may add watches (behind the ones polled), remove some (then nullptr) or disable them.
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

Timer::Timer(EventLoop& loop, clockid_t clock, EventLoop::Callback on_expiry)
    : fd_(checked(::timerfd_create(clock, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create for the event loop")),
      watch_(loop, fd_.get(), [fd = fd_.get(), callback = std::move(on_expiry)] {
        if (take_count(fd)) callback();  // otherwise it was armed anew or disarmed meanwhile
      }) {}

void Timer::arm_at(std::chrono::nanoseconds time) noexcept {
  // Zero would disarm, and what is before the clock's beginning has passed as well.
  const itimerspec spec{.it_interval = {}, .it_value = to_timespec(std::max(time, std::chrono::nanoseconds{1}))};
  ::timerfd_settime(fd_.get(), TFD_TIMER_ABSTIME, &spec, nullptr);
}

void Timer::arm_every(std::chrono::nanoseconds period) noexcept {
  const itimerspec spec{.it_interval = to_timespec(period), .it_value = to_timespec(period)};
  ::timerfd_settime(fd_.get(), 0, &spec, nullptr);
}

void Timer::disarm() noexcept {
  const itimerspec spec{};
  ::timerfd_settime(fd_.get(), 0, &spec, nullptr);
}

Notifier::Notifier(EventLoop& loop, EventLoop::Callback on_notified)
    : fd_(make_eventfd()), watch_(loop, fd_.get(), [fd = fd_.get(), callback = std::move(on_notified)] {
        if (take_count(fd)) callback();
      }) {}

void Notifier::notify() noexcept {
  add_one(fd_.get());
}

}  // namespace rvvmm

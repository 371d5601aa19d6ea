#include "vmm/console/console_hub.hpp"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/kick_signal.hpp"
#include "base/log.hpp"
#include "base/thread_signals.hpp"

namespace rvvmm {
namespace {

constexpr size_t kHalfFull = ConsoleHub::kOutputCapacity / 2;

void unblock_kick_signal() noexcept {
  sigset_t kick;
  ::sigemptyset(&kick);
  ::sigaddset(&kick, kKickSignal);
  ::pthread_sigmask(SIG_UNBLOCK, &kick, nullptr);
}

}  // namespace

ConsoleHub::~ConsoleHub() {
  flush();
  stop();
}

void ConsoleHub::start(std::function<void()> on_first_output, std::function<void()> on_no_thread) noexcept {
  struct sigaction nothing{};
  nothing.sa_handler = [](int) {};  // without SA_RESTART: its only effect is EINTR
  ::sigaction(kKickSignal, &nothing, nullptr);
  const LockGuard lock{mu_};
  on_first_output_ = std::move(on_first_output);
  on_no_thread_ = std::move(on_no_thread);
  state_ = ThreadState::kNotStarted;
  if (filled_ > 0) ask_for_thread();
}

void ConsoleHub::ask_for_thread() noexcept {
  state_ = ThreadState::kAskedFor;
  if (on_first_output_) {
    on_first_output_();
  } else {
    launch_if_asked_for();
  }
}

void ConsoleHub::launch() noexcept {
  const LockGuard lock{mu_};
  launch_if_asked_for();
}

void ConsoleHub::launch_if_asked_for() noexcept {
  if (state_ != ThreadState::kAskedFor) return;
  try {
    const AsynchronousSignalsBlocked for_the_thread;
    thread_ = std::jthread([this] { output_loop(); });
    state_ = ThreadState::kGathering;
  } catch (const std::system_error& problem) {
    do_without_thread(problem.code().value());
  } catch (const std::bad_alloc&) {
    do_without_thread(ENOMEM);
  }
}

void ConsoleHub::do_without_thread(int error) noexcept {
  state_ = ThreadState::kFinished;
  stopping_ = true;
  space_.notify_all();  // a hart may have filled the buffer since it asked
  tell_of_room();
  no_thread_ = error;
  if (on_no_thread_) on_no_thread_();
}

std::optional<std::string> ConsoleHub::no_thread() {
  const LockGuard lock{mu_};
  if (no_thread_ == 0) return std::nullopt;
  return std::generic_category().message(no_thread_);
}

// Harts call this for each byte, so the rare cases are in a function of their own.
void ConsoleHub::write(std::span<const std::byte> bytes) noexcept {
  if (reader_ == Reader::kNever) [[unlikely]]
    return drop(bytes);
  const LockGuard lock{mu_};
  const bool is_plain = !bytes.empty() && bytes.size() <= kOutputCapacity - filled_ &&
                        !stopping_.load(std::memory_order_relaxed) && !on_output_;
  if (!is_plain) [[unlikely]]
    return write_in_parts(bytes);
  append(bytes);
}

[[gnu::cold]] void ConsoleHub::write_in_parts(std::span<const std::byte> bytes) noexcept {
  if (on_output_) on_output_(bytes);
  while (!bytes.empty()) {
    // Does not split a batch into two write(2) calls: bytes of another hart could come between them.
    const size_t take = std::min(bytes.size(), kOutputCapacity);
    const bool room = take <= kOutputCapacity - filled_ || wait_for_space(take);
    if (!room && paused_ && !stopping_.load(std::memory_order_relaxed)) return keep(bytes);
    if (!room || stopping_.load(std::memory_order_relaxed)) {
      lost_ += bytes.size();
      return;
    }
    append(bytes.first(take));
    bytes = bytes.subspan(take);
  }
}

// The buffer is filled first, so that no later output finds room in it.
void ConsoleHub::keep(std::span<const std::byte> bytes) noexcept {
  const size_t fits = std::min(bytes.size(), kOutputCapacity - filled_);
  if (fits > 0) append(bytes.first(fits));
  const auto rest = bytes.subspan(fits);
  try {
    kept_.insert(kept_.end(), rest.begin(), rest.end());
  } catch (const std::bad_alloc&) {
    lost_ += rest.size();
  }
}

void ConsoleHub::refill() noexcept {
  if (kept_.empty()) return;
  filled_ = std::min(kept_.size(), kOutputCapacity);
  std::memcpy(buffers_[filling_].data(), kept_.data(), filled_);
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<ptrdiff_t>(filled_));
}

size_t ConsoleHub::try_write(std::span<const std::byte> bytes) noexcept {
  if (reader_ == Reader::kNever) {
    drop(bytes);
    return bytes.size();
  }
  const LockGuard lock{mu_};
  if (stopping_.load(std::memory_order_relaxed)) return bytes.size();
  size_t taken = 0;
  while (taken < bytes.size()) {
    const size_t take = std::min(bytes.size() - taken, kOutputCapacity);
    if (take > kOutputCapacity - filled_) {
      room_wanted_ = true;
      break;
    }
    append(bytes.subspan(taken, take));
    taken += take;
  }
  if (on_output_) on_output_(bytes.first(taken));
  return taken;
}

void ConsoleHub::drop(std::span<const std::byte> bytes) noexcept {
  if (!on_output_) return;
  const LockGuard lock{mu_};
  on_output_(bytes);
  tail_.add(bytes);
}

std::string ConsoleHub::last_output() {
  const LockGuard lock{mu_};
  std::string text = tail_.text();
  for (const std::byte byte : std::span{buffers_[filling_]}.first(filled_))
    text += static_cast<char>(byte);
  for (const std::byte byte : kept_)
    text += static_cast<char>(byte);
  if (text.size() > ConsoleTail::kCapacity) text.erase(0, text.size() - ConsoleTail::kCapacity);
  return text;
}

void ConsoleHub::tell_of_room() noexcept {
  if (std::exchange(room_wanted_, false) && on_output_room_) on_output_room_();
}

bool ConsoleHub::wait_for_space(size_t wanted) noexcept {
  bool gave_up = false;
  ++waiting_writers_;
  while (kOutputCapacity - filled_ < wanted && !stopping_ && !paused_ && !gave_up) {
    if (!give_up_at_) {
      space_.wait(mu_);
    } else {
      gave_up = space_.wait_until(mu_, *give_up_at_) == std::cv_status::timeout;
    }
  }
  --waiting_writers_;
  return kOutputCapacity - filled_ >= wanted;
}

bool ConsoleHub::writer_waits() noexcept {
  const LockGuard lock{mu_};
  return waiting_writers_ > 0 || room_wanted_;
}

void ConsoleHub::limit_waits(bool limited) noexcept {
  const LockGuard lock{mu_};
  launch_if_asked_for();  // the main thread may have no chance any more to call launch()
  give_up_at_ = limited ? std::optional{std::chrono::steady_clock::now() + kFlushLimit} : std::nullopt;
  space_.notify_all();
}

void ConsoleHub::set_paused(bool paused) noexcept {
  {
    const LockGuard lock{mu_};
    paused_ = paused;
    space_.notify_all();
  }
  listeners_wait_ = paused;
  if (!paused && input_count_.load(std::memory_order_acquire) > 0) tell_listeners();
}

// Wakes the thread only if it would not notice the bytes soon: it sleeps, or it gathers and has gathered enough now.
void ConsoleHub::append(std::span<const std::byte> bytes) noexcept {
  const size_t before = filled_;
  std::memcpy(buffers_[filling_].data() + before, bytes.data(), bytes.size());
  filled_ += bytes.size();
  const bool complete = before < kHalfFull && filled_ >= kHalfFull;
  if (state_ == ThreadState::kAsleep || (state_ == ThreadState::kGathering && complete)) {
    state_ = ThreadState::kGathering;
    work_.notify_one();
  } else if (state_ == ThreadState::kNotStarted) {
    ask_for_thread();
  }
}

void ConsoleHub::output_loop() noexcept {
  ::pthread_setname_np(::pthread_self(), "io-console");
  unblock_kick_signal();
  const LockGuard lock{mu_};
  while (!stopping_) {
    if (filled_ == 0) {
      state_ = ThreadState::kAsleep;
      work_.wait(mu_, [this]() REQUIRES(mu_) { return filled_ > 0 || stopping_; });
    }
    state_ = ThreadState::kGathering;
    work_.wait_for(mu_, kGatherTime,
                   [this]() REQUIRES(mu_) { return filled_ >= kHalfFull || flushers_ > 0 || stopping_; });
    if (stopping_) break;
    state_ = ThreadState::kWriting;
    const std::span<const std::byte> batch{buffers_[filling_].data(), filled_};
    tail_.add(batch);
    filling_ ^= 1;
    filled_ = 0;
    refill();
    ++batches_taken_;
    space_.notify_all();
    tell_of_room();
    mu_.unlock();
    const size_t left = write_out(batch);
    mu_.lock();
    lost_ += left;
    ++batches_out_;
    if (flushers_ > 0) space_.notify_all();
  }
  state_ = ThreadState::kFinished;
  space_.notify_all();
}

size_t ConsoleHub::write_out(std::span<const std::byte> bytes) noexcept {
  while (!bytes.empty() && !reader_gone_ && !stopping_) {
    if (reader_ == Reader::kComesAndGoes && !wait_for_reader()) return 0;
    const ssize_t written = ::write(output_fd_, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(written));
      continue;
    }
    // Another process that shares the descriptor may have made it non-blocking. Undoing that could disturb that
    // process.
    const bool again = errno == EINTR || (errno == EAGAIN && wait_writable());
    if (again) continue;
    if (reader_ == Reader::kComesAndGoes) return 0;
    reader_gone_ = true;
    log::line(log::Module::kVmm, log::Level::kWarn,
              "console output: {}; the guest goes on and its output is dropped from now on", std::strerror(errno));
  }
  return reader_gone_ ? 0 : bytes.size();
}

// If no process has the pty open, it takes some KiB and then no more, without an error. A write would block forever.
bool ConsoleHub::wait_for_reader() noexcept {
  pollfd waiting{.fd = output_fd_, .events = POLLOUT, .revents = 0};
  if (::poll(&waiting, 1, -1) < 0) return errno == EINTR;
  return (waiting.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}

bool ConsoleHub::wait_writable() noexcept {
  pollfd waiting{.fd = output_fd_, .events = POLLOUT, .revents = 0};
  return ::poll(&waiting, 1, -1) >= 0 || errno == EINTR;
}

bool ConsoleHub::flush() noexcept {
  const LockGuard lock{mu_};
  launch_if_asked_for();
  if (state_ == ThreadState::kNotStarted) return true;
  if (state_ == ThreadState::kFinished) return filled_ == 0;
  const uint64_t last = batches_taken_ + (filled_ + kept_.size() + kOutputCapacity - 1) / kOutputCapacity;
  if (batches_out_ >= last) return true;
  if (flush_failed_at_ == batches_out_) return false;
  const auto limit = give_up_at_.value_or(std::chrono::steady_clock::now() + kFlushLimit);
  ++flushers_;
  work_.notify_one();
  space_.wait_until(mu_, limit,
                    [&]() REQUIRES(mu_) { return batches_out_ >= last || state_ == ThreadState::kFinished; });
  --flushers_;
  const bool all_out = batches_out_ >= last;
  if (!all_out) flush_failed_at_ = batches_out_;
  return all_out;
}

void ConsoleHub::stop() noexcept {
  {
    const LockGuard lock{mu_};
    stopping_ = true;
    work_.notify_all();
    space_.notify_all();
    // A signal that comes just before the thread enters write(2) has no effect, so this sends signals repeatedly.
    if (state_ == ThreadState::kNotStarted || state_ == ThreadState::kAskedFor) state_ = ThreadState::kFinished;
    const auto finished = [this]() REQUIRES(mu_) { return state_ == ThreadState::kFinished; };
    while (!space_.wait_for(mu_, std::chrono::milliseconds{1}, finished)) {
      ::pthread_kill(thread_.native_handle(), kKickSignal);
    }
    lost_ += std::exchange(filled_, 0) + std::exchange(kept_, {}).size();
  }
  if (thread_.joinable()) thread_.join();
  tell_what_is_lost();
}

void ConsoleHub::tell_what_is_lost() noexcept {
  const LockGuard lock{mu_};
  const uint64_t lost = std::exchange(lost_, 0);
  if (lost == 0 || no_thread_ != 0) return;
  log::line(log::Module::kVmm, log::Level::kWarn,
            "console output: its reader did not take {} bytes in time; they are lost", lost);
}

size_t ConsoleHub::read(std::span<std::byte> out) noexcept {
  // Fast path: reads of a UART's status register call this all the time.
  if (out.empty() || input_count_.load(std::memory_order_acquire) == 0) return 0;
  bool room_again = false;
  size_t count = 0;
  {
    const LockGuard lock{input_mu_};
    count = std::min(out.size(), input_count_.load(std::memory_order_relaxed));
    const size_t until_wrap = std::min(count, kInputCapacity - ring_head_);
    std::memcpy(out.data(), ring_.data() + ring_head_, until_wrap);
    std::memcpy(out.data() + until_wrap, ring_.data(), count - until_wrap);
    ring_head_ = (ring_head_ + count) % kInputCapacity;
    const size_t left = input_count_.fetch_sub(count, std::memory_order_release) - count;
    // Not at the first free byte: each byte of a long paste would wake the loop again.
    if (left <= kInputCapacity / 2) room_again = std::exchange(input_was_full_, false);
  }
  if (room_again && on_input_room_) on_input_room_();
  return count;
}

size_t ConsoleHub::queue_input(std::span<const std::byte> bytes) noexcept {
  if (bytes.empty()) return 0;
  size_t take = 0;
  {
    const LockGuard lock{input_mu_};
    const size_t held = input_count_.load(std::memory_order_relaxed);
    take = std::min(bytes.size(), kInputCapacity - held);
    const size_t tail = (ring_head_ + held) % kInputCapacity;
    const size_t until_wrap = std::min(take, kInputCapacity - tail);
    std::memcpy(ring_.data() + tail, bytes.data(), until_wrap);
    std::memcpy(ring_.data(), bytes.data() + until_wrap, take - until_wrap);
    input_count_.fetch_add(take, std::memory_order_release);
    input_was_full_ = held + take == kInputCapacity;
  }
  if (take > 0 && !listeners_wait_) tell_listeners();
  return take;
}

void ConsoleHub::tell_listeners() noexcept {
  for (ConsoleListener* listener : listeners_)
    listener->on_console_input();
}

}  // namespace rvvmm

// Both ends of a console for many threads: input that is typed while a device takes it, output that can be held up.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string>
#include <string_view>

#include "base/console.hpp"

namespace rvvmm {

/// Input that tells its listener, as the console of the machine does. Any thread.
class TypedSource final : public ConsoleSource {
 public:
  void set_listener(ConsoleListener* listener) { listener_ = listener; }

  void type(std::string_view text) {
    {
      const std::lock_guard lock{mutex_};
      waiting_.append(text);
    }
    if (listener_ != nullptr) listener_->on_console_input();
  }

  size_t read(std::span<std::byte> out) noexcept override {
    const std::lock_guard lock{mutex_};
    const size_t n = std::min(out.size(), waiting_.size() - taken_);
    std::transform(waiting_.begin() + static_cast<std::ptrdiff_t>(taken_),
                   waiting_.begin() + static_cast<std::ptrdiff_t>(taken_ + n), out.begin(),
                   [](char c) { return static_cast<std::byte>(c); });
    taken_ += n;
    return n;
  }

  /// Bytes that nobody has taken yet.
  size_t waiting() const {
    const std::lock_guard lock{mutex_};
    return waiting_.size() - taken_;
  }

 private:
  mutable std::mutex mutex_;
  std::string waiting_;
  size_t taken_ = 0;
  ConsoleListener* listener_ = nullptr;
};

/// Output whose reader can stop reading. Any thread.
class StoppableSink final : public ConsoleSink {
 public:
  void write(std::span<const std::byte> bytes) noexcept override {
    std::unique_lock lock{mutex_};
    ++writers_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !stopped_; });
    --writers_;
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }

  /// From now on writers wait.
  void stop() {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
  }
  void go_on() {
    const std::lock_guard lock{mutex_};
    stopped_ = false;
    changed_.notify_all();
  }
  /// Returns once somebody waits in write().
  void wait_for_writer() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return writers_ > 0; });
  }

  std::string text() const {
    const std::lock_guard lock{mutex_};
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  int writers_ = 0;
  std::string text_;
};

}  // namespace rvvmm

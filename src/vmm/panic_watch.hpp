// --panic-pattern: a line on the console by which a guest says that it has panicked.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/event_loop.hpp"

namespace rvvmm {

/// Reads what the harts write, line by line. A guest that panics has more to say behind that line, such as its call
/// trace: it is given time until it has been silent for kQuiet, or for kPatience in all.
class PanicWatch {
 public:
  static constexpr std::chrono::milliseconds kQuiet{200};
  static constexpr std::chrono::seconds kPatience{2};
  /// What is looked at of a line; a longer one is looked at in pieces.
  static constexpr size_t kLongestLine = 1024;

  /// `patterns`: parts of a line, in which `*` stands for any letters. Throws SetupError (kInternal).
  PanicWatch(EventLoop& loop, const std::vector<std::string>& patterns);

  /// A machine begins: what an earlier one said is forgotten. `on_panic` is called on the loop's thread, once. While no
  /// hart runs.
  void begin(std::function<void()> on_panic);
  /// It has ended: nobody is called any more. While no hart runs.
  void end() noexcept;

  /// What the guest writes; one thread at a time.
  void take(std::span<const std::byte> output) noexcept;

  /// This machine's guest has written such a line. Any thread.
  bool seen() const noexcept { return seen_.load(std::memory_order_acquire); }

 private:
  void end_line() noexcept;
  void look_again();

  std::vector<std::string> globs_;
  std::array<char, kLongestLine> line_{};
  size_t length_ = 0;  // of the line so far
  std::atomic<bool> seen_ = false;
  std::atomic<uint64_t> taken_ = 0;  // bytes
  // The loop's thread.
  std::function<void()> on_panic_;
  uint64_t taken_at_last_look_ = 0;
  uint32_t looks_left_ = 0;
  Timer timer_;
  Notifier matched_;
};

}  // namespace rvvmm

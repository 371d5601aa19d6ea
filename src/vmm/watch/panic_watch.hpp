// --panic-pattern: a line on the console by which a guest says that it has panicked.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vmm/host/event_loop.hpp"

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

  /// What there is to know of a machine, and who is told; on the loop's thread.
  struct Guest {
    std::function<void()> on_panic;                           ///< once
    std::function<bool()> is_stopped = [] { return false; };  ///< by us: it cannot say anything
    std::function<bool()> waits_for_reader = [] {
      return false;
    };  ///< of its console: it is not silent by its own will
  };
  /// A machine begins: what an earlier one said is forgotten. While no hart runs.
  void begin(Guest guest);
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
  std::optional<Guest> guest_;
  uint64_t taken_at_last_look_ = 0;
  uint32_t looks_left_ = 0;
  Timer timer_;
  Notifier matched_;
};

}  // namespace rvvmm

// --panic-pattern: finds the console line by which a guest reports a panic.
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

/// Reads the console output line by line. A guest that panics writes more after that line, such as its call trace. So
/// PanicWatch waits until the guest has been silent for kQuiet, but at most kPatience.
class PanicWatch {
 public:
  static constexpr std::chrono::milliseconds kQuiet{200};
  static constexpr std::chrono::seconds kPatience{2};
  /// Longest line that is matched as a whole; a longer line is matched in pieces.
  static constexpr size_t kLongestLine = 1024;

  /// `patterns`: parts of a line; `*` matches any characters. Throws SetupError (kInternal).
  PanicWatch(EventLoop& loop, const std::vector<std::string>& patterns);

  /// Callbacks for one machine, on the loop's thread.
  struct Guest {
    std::function<void()> on_panic;                           ///< once
    std::function<bool()> is_stopped = [] { return false; };  ///< rvvmm has stopped the guest, so it cannot write
    std::function<bool()> waits_for_reader = [] {
      return false;
    };  ///< the console's reader blocks the guest, so its silence does not count
  };
  /// A machine begins; the output of an earlier machine is forgotten. Called while no hart runs.
  void begin(Guest guest);
  /// The machine has ended; no callback is called any more. Called while no hart runs.
  void end() noexcept;

  /// Takes the guest's output; one thread at a time.
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
  // Used on the loop's thread only.
  std::optional<Guest> guest_;
  uint64_t taken_at_last_look_ = 0;
  uint32_t looks_left_ = 0;
  Timer timer_;
  Notifier matched_;
};

}  // namespace rvvmm

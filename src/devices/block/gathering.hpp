// When a queue's thread lets the driver go on for a moment before it takes requests.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace rvvmm {

/// On a host without a CPU to spare, a thread that a doorbell wakes takes the place of the hart that rang, and finds
/// the first of the requests that it was about to make. Where several come together it is better to give the CPU back
/// once and find them all; where they come one by one, or the guest has other things to do, it is not. Which of these
/// it is the last rounds have shown: one that finds several makes the next one wait, and waiting that did not bring
/// enough ends it for a while, the longer the more often.
class Gathering {
 public:
  bool is_due() const noexcept { return due_; }

  /// A round without a wait took so many requests.
  void took(uint32_t requests) noexcept {
    if (rounds_off_ > 0) {
      --rounds_off_;
    } else {
      due_ = requests >= kSeveral;
    }
  }

  /// A round took so many behind a wait.
  void took_after(uint32_t requests, std::chrono::nanoseconds waited) noexcept {
    if (requests >= kSeveral && waited <= requests * kLongestWaitForEach) {
      pause_ /= 2;
      return;
    }
    due_ = false;
    pause_ = std::min(kLongestPause, 4 * pause_ + kShortestPause);
    rounds_off_ = pause_;
  }

 private:
  static constexpr uint32_t kSeveral = 3;
  /// A driver that does nothing else needs less for each.
  static constexpr std::chrono::microseconds kLongestWaitForEach{50};
  static constexpr uint32_t kShortestPause = 16;  // rounds
  static constexpr uint32_t kLongestPause = 4096;

  bool due_ = false;
  uint32_t pause_ = 0;
  uint32_t rounds_off_ = 0;
};

}  // namespace rvvmm

// Decides when a queue's thread lets the driver continue for a moment before it takes requests.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace rvvmm {

/// On a host without a free CPU, a thread that a doorbell wakes takes the place of the hart that rang. It finds only
/// the first of the requests that the hart was about to make. If several requests come together, it is better to give
/// the CPU back once and find them all. If they come one by one, or the guest has other work, it is not. The last
/// rounds show which case it is: a round that finds several requests makes the next round wait. A wait that did not
/// bring enough ends the waiting for a while; the more often this happens, the longer.
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

  /// A round took so many requests after a wait.
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
  /// A driver that does nothing else needs less time for each request.
  static constexpr std::chrono::microseconds kLongestWaitForEach{50};
  static constexpr uint32_t kShortestPause = 16;  // rounds
  static constexpr uint32_t kLongestPause = 4096;

  bool due_ = false;
  uint32_t pause_ = 0;
  uint32_t rounds_off_ = 0;
};

}  // namespace rvvmm

// What rvvmm knows about KVM's sign extension of MMIO loads (docs/kvm-quirks.md).
#pragma once

#include <atomic>
#include <cstdint>

#include "kvm/guest_code.hpp"

namespace rvvmm {

/// Linux 6.12's KVM zero-extends LB, LH and LW from a device; newer kernels extend the sign correctly. The first load
/// that shows the difference decides, so nothing is tested at start-up. All vCPUs of a VM share it, because they all
/// learn the same.
class SignExtension {
 public:
  bool known_right() const noexcept { return state_.load(std::memory_order_relaxed) == State::kRight; }
  void learn(bool right) noexcept { state_.store(right ? State::kRight : State::kBroken, std::memory_order_relaxed); }

 private:
  enum class State : uint8_t { kUnknown, kRight, kBroken };
  std::atomic<State> state_ = State::kUnknown;
};

}  // namespace rvvmm

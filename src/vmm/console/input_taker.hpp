// Who takes what the user types in place of the guest, at times.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

namespace rvvmm {

/// The loop's thread only.
class InputTaker {
 public:
  virtual ~InputTaker() = default;
  /// Input is for it, and not for the guest.
  virtual bool takes_input() const noexcept = 0;
  virtual void take(std::span<const std::byte> bytes) = 0;
  virtual void on_end_of_input() = 0;
  /// What is called when it begins or ends to take input.
  virtual void set_on_wanted(std::function<void()> on_wanted) = 0;
};

}  // namespace rvvmm

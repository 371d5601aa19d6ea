// The interface of a component that sometimes takes the user's input in place of the guest.
#pragma once

#include <cstddef>
#include <functional>
#include <span>

namespace rvvmm {

/// The loop's thread only.
class InputTaker {
 public:
  virtual ~InputTaker() = default;
  /// True: input goes to this object and not to the guest.
  virtual bool takes_input() const noexcept = 0;
  virtual void take(std::span<const std::byte> bytes) = 0;
  virtual void on_end_of_input() = 0;
  /// `on_wanted` is called when takes_input() changes.
  virtual void set_on_wanted(std::function<void()> on_wanted) = 0;
};

}  // namespace rvvmm

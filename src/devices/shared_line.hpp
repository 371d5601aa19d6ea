// One input of the interrupt controller that several devices drive: high while one of its pins is high.
#pragma once

#include <cstdint>

#include "base/irq.hpp"
#include "base/mutex.hpp"

namespace rvvmm {

/// Any thread; guarded by mu_.
class SharedLine {
 public:
  static constexpr uint32_t kMostPins = 32;

  /// `controller` must outlive this object.
  explicit SharedLine(IrqLine& controller) noexcept : controller_(controller) {}
  SharedLine(const SharedLine&) = delete;
  SharedLine& operator=(const SharedLine&) = delete;

  /// The pin that a device drives. The device calls it under its mutex for interrupts.
  class Pin final : public IrqLine {
   public:
    /// `number` is below kMostPins, and no other pin of that line has it. The line must outlive the pin.
    Pin(SharedLine& line, uint32_t number) noexcept : line_(line), bit_(1U << number) {}
    void set(bool asserted) noexcept override { line_.set(bit_, asserted); }
    void assert_again() noexcept override { line_.controller_.assert_again(); }

   private:
    SharedLine& line_;
    uint32_t bit_;
  };

 private:
  // The mutex is held while the controller is told: the last level that it hears must be the true one.
  void set(uint32_t pin, bool asserted) noexcept {
    const LockGuard lock{mu_};
    const uint32_t before = high_pins_;
    high_pins_ = asserted ? before | pin : before & ~pin;
    if ((before != 0) != (high_pins_ != 0)) controller_.set(high_pins_ != 0);
  }

  IrqLine& controller_;
  Mutex mu_;
  uint32_t high_pins_ GUARDED_BY(mu_) = 0;
};

}  // namespace rvvmm

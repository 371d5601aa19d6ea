#include "vmm/machine/input_watch.hpp"

namespace rvvmm {

InputWatch::InputWatch(EventLoop& loop, Uart16550& uart, std::chrono::milliseconds interval)
    : uart_(uart), interval_(interval), timer_(loop, CLOCK_MONOTONIC, [this] { look(); }) {}

void InputWatch::on_console_input() noexcept {
  if (looks_left_ == 0) timer_.arm_every(interval_);
  looks_left_ = kMostRepeats;
}

void InputWatch::set_held(bool held) noexcept {
  if (held) {
    timer_.disarm();
  } else if (looks_left_ > 0) {
    timer_.arm_every(interval_);
  }
}

void InputWatch::look() noexcept {
  switch (uart_.look_after_input()) {
    case InputLeft::kNone: looks_left_ = 0; break;
    case InputLeft::kMoves: looks_left_ = kMostRepeats; break;
    case InputLeft::kStandsStill: --looks_left_; break;
  }
  if (looks_left_ == 0) timer_.disarm();
}

}  // namespace rvvmm

#include "vmm/input_watch.hpp"

namespace rvvmm {

InputWatch::InputWatch(EventLoop& loop, Uart16550& uart, std::chrono::milliseconds interval)
    : uart_(uart), interval_(interval), timer_(loop, CLOCK_MONOTONIC, [this] { look(); }) {}

void InputWatch::on_console_input() noexcept {
  looks_left_ = kMostRepeats;
  if (looking_) return;
  looking_ = true;
  timer_.arm_every(interval_);
}

void InputWatch::look() noexcept {
  const InputLeft left = uart_.look_after_input();
  if (left == InputLeft::kMoves) looks_left_ = kMostRepeats;
  looking_ = left == InputLeft::kMoves || (left == InputLeft::kStandsStill && --looks_left_ > 0);
  if (!looking_) timer_.disarm();
}

}  // namespace rvvmm

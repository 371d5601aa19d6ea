#include "vmm/console/input_backlog.hpp"

#include <utility>

namespace rvvmm {

InputBacklog::InputBacklog(EventLoop& loop, ConsoleHub& console, size_t most, std::function<void()> on_room)
    : console_(console), most_(most), on_room_(std::move(on_room)), room_(loop, [this] { move_on(); }) {
  console_.set_on_input_room([this] { room_.notify(); });
}

InputBacklog::~InputBacklog() {
  console_.set_on_input_room({});
}

size_t InputBacklog::room() const noexcept {
  return (kept_.empty() ? console_.input_room() : 0) + most_ - kept_.size();
}

// If there is a backlog, new bytes go behind it, to keep the order.
void InputBacklog::queue(std::span<const std::byte> bytes) {
  if (kept_.empty()) bytes = bytes.subspan(console_.queue_input(bytes));
  kept_.insert(kept_.end(), bytes.begin(), bytes.end());
}

void InputBacklog::move_on() {
  const size_t queued = console_.queue_input(kept_);
  kept_.erase(kept_.begin(), kept_.begin() + static_cast<std::ptrdiff_t>(queued));
  on_room_();
}

}  // namespace rvvmm

#include "devices/virtio/served_virtio_device.hpp"

#include <cerrno>
#include <utility>

#include "base/error.hpp"
#include "base/eventfd.hpp"

namespace rvvmm {

ServedVirtioDevice::ServedVirtioDevice(std::vector<uint16_t> queue_sizes)
    : queue_sizes_(std::move(queue_sizes)), stopped_at_(queue_sizes_.size()) {
  for (size_t index = 0; index < queue_sizes_.size(); ++index) {
    Fd doorbell = open_eventfd("eventfd for a virtqueue");
    doorbell_numbers_.push_back(doorbell.get());
    doorbells_.push_back(std::move(doorbell));
  }
}

void ServedVirtioDevice::start(VirtioSession session) noexcept {
  const LockGuard lock{mu_};
  session_ = session;
  if (!held_) begin_to_serve();
}

// Requests may be there already: the thread that serves them is woken as by a kick.
void ServedVirtioDevice::begin_to_serve() noexcept {
  on_start();
  for (size_t index = 0; index < doorbells_.size(); ++index)
    ring(static_cast<uint16_t>(index));
}

void ServedVirtioDevice::stop() noexcept {
  const LockGuard lock{mu_};
  if (session_ && !held_) on_stop();
  for (uint16_t index = 0; session_ && index < stopped_at_.size(); ++index) {
    const Virtqueue* const queue = queue_of_session(index);
    stopped_at_[index] = queue == nullptr ? VirtqueueState{} : queue->state();
  }
  session_.reset();
}

void ServedVirtioDevice::hold() noexcept {
  const LockGuard lock{mu_};
  if (session_ && !held_) on_stop();
  held_ = true;
}

void ServedVirtioDevice::go_on() noexcept {
  const LockGuard lock{mu_};
  const bool config_changed_meanwhile = std::exchange(config_changed_while_held_, false);
  if (!std::exchange(held_, false) || !session_) return;
  begin_to_serve();
  if (config_changed_meanwhile) config_changed();
}

VirtqueueState ServedVirtioDevice::stopped_at(uint16_t queue) const noexcept {
  const LockGuard lock{mu_};
  return queue < stopped_at_.size() ? stopped_at_[queue] : VirtqueueState{};
}

void ServedVirtioDevice::on_doorbell(uint16_t queue) noexcept {
  take_count(doorbell_numbers_[queue]);
  const LockGuard lock{mu_};
  serve_all(queue);
}

void ServedVirtioDevice::ring(uint16_t index) noexcept {
  add_one(doorbell_numbers_[index]);
}

Virtqueue* ServedVirtioDevice::queue(uint16_t index) noexcept {
  return held_ ? nullptr : queue_of_session(index);
}

Virtqueue* ServedVirtioDevice::queue_of_session(uint16_t index) noexcept {
  if (!session_ || index >= session_->queues.size() || !session_->queues[index]) return nullptr;
  return &*session_->queues[index];
}

void ServedVirtioDevice::serve_all(uint16_t index) noexcept {
  Virtqueue* const queue = this->queue(index);
  if (queue == nullptr) return;
  // Not served at once: a driver that sends requests all the time must not keep this thread.
  if (serve(index, *queue) && queue->ask_for_kick()) ring(index);
  if (!queue->broken().empty()) session_->driver->needs_reset(queue->broken());
}

void ServedVirtioDevice::interrupt(uint16_t index) noexcept {
  if (session_ && !held_) session_->driver->interrupt_queue(index);
}

void ServedVirtioDevice::interrupt_if_wanted(uint16_t index) noexcept {
  Virtqueue* const queue = this->queue(index);
  if (queue != nullptr && queue->wants_interrupt()) session_->driver->interrupt_queue(index);
}

void ServedVirtioDevice::config_changed() noexcept {
  if (!session_) return;
  if (held_) {
    config_changed_while_held_ = true;
  } else {
    session_->driver->config_changed();
  }
}

void ServedVirtioDevice::needs_reset(std::string_view why) noexcept {
  if (session_) session_->driver->needs_reset(why);
}

}  // namespace rvvmm

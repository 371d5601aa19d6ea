// The work that remains for the network device when vhost-net moves its frames.
#include <sys/epoll.h>

#include <cstdint>
#include <format>

#include "base/eventfd.hpp"
#include "devices/net/virtio_net.hpp"
#include "devices/net/virtio_net_parts.hpp"

namespace rvvmm {

using namespace virtio_net_parts;

bool VirtioNet::watch_vhost() noexcept {
  bool all = true;
  for (uint16_t index = 0; index < vhost_queues(); ++index) {
    all &= watch(calls_[index], tag(Source::kCall, index), EPOLLIN);
    all &= watch(vhost_[index / 2]->error_fd(side_of(index)), tag(Source::kVhostError, index), EPOLLIN);
  }
  if (const int news = backend_->watch_fd(); news >= 0) all &= watch(news, tag(Source::kBackendNews, 0), EPOLLIN);
  return all;
}

// Starts the pairs in use that are not started yet.
void VirtioNet::start_vhost() noexcept {
  // We serve the control queue; the driver's features decide which queue it is. Only vhost reads the other doorbells,
  // and it does not clear their counts: they would keep our thread awake.
  if (const auto control = control_queue()) {
    watch(doorbells()[*control], tag(Source::kDoorbell, *control), EPOLLIN);
  }
  for (uint16_t index = 0; index < state_.active_pairs * 2 && index != control_queue(); ++index) {
    const Virtqueue* const queue = this->queue(index);
    VhostNet& vhost = *vhost_[index / 2];
    if (queue == nullptr || vhost.start(side_of(index), *queue,
                                        {.kick = doorbells()[index],
                                         .tap = backend_->fd(static_cast<uint16_t>(index / 2)),
                                         .features = driver_features()})) {
      continue;
    }
    if (vhost_lines_.allow()) {
      log::made_line(log::Module::kDevices, log::Level::kWarn,
                     [&] { return std::format("{}: {}; rvvmm moves its frames from now on", name_, vhost.why()); });
    }
    return leave_vhost();
  }
}

void VirtioNet::stop_vhost(uint16_t first_pair) noexcept {
  for (uint16_t index = receive_queue(first_pair); index < vhost_queues(); ++index)
    stop_vhost_queue(index);
  if (first_pair > 0) return;
  if (const auto control = control_queue()) ::epoll_ctl(events_.get(), EPOLL_CTL_DEL, doorbells()[*control], nullptr);
}

bool VirtioNet::stop_vhost_queue(uint16_t index) noexcept {
  Virtqueue* const queue = this->queue(index);
  if (queue == nullptr || !vhost_[index / 2]->stop(side_of(index), *queue)) return false;
  // An interrupt that we have not read yet: the driver waits for it, unless it is about to reset the device.
  if (take_count(calls_[index])) interrupt(index);
  return true;
}

void VirtioNet::leave_vhost() noexcept {
  stop_vhost();
  in_kernel_ = false;
  watch_frames();
  for (uint16_t index = 0; index < queue_sizes().size(); ++index)
    ring(index);
}

void VirtioNet::on_call(uint16_t index) noexcept {
  // Under the lock: a thread that stops the device meanwhile finds either the count or the interrupt.
  const LockGuard lock{mu_};
  if (!take_count(calls_[index])) return;
  interrupt(index);
}

void VirtioNet::on_vhost_error(uint16_t index) noexcept {
  // Under the lock: a count from a previous driver must not break the next driver's queue.
  const LockGuard lock{mu_};
  if (!take_count(vhost_[index / 2]->error_fd(side_of(index)))) return;
  // Without its tap vhost-net cannot send either; that is not the driver's fault.
  if (lose_backend_if_gone() || !in_kernel_ || !stop_vhost_queue(index)) return;
  needs_reset(is_transmit(index) ? "vhost-net found an error in a transmit queue"
                                 : "vhost-net found an error in a receive queue");
}

void VirtioNet::on_backend_news() noexcept {
  const LockGuard lock{mu_};
  lose_backend_if_gone();
}

bool VirtioNet::lose_backend_if_gone() noexcept {
  if (!backend_->has_gone()) return false;
  if (in_kernel_) leave_vhost();
  lose_link();
  return true;
}

}  // namespace rvvmm

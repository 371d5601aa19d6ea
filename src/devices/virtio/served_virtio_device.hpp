// A virtio device whose requests are served one at a time, by the thread that watches its doorbells.
#pragma once

#include <vector>

#include "base/fd.hpp"
#include "base/mutex.hpp"
#include "devices/virtio/virtio_device.hpp"

namespace rvvmm {

/// Its mutex is held while requests are served, so start(), stop() and hold() never come in the middle of one.
class ServedVirtioDevice : public VirtioDevice {
 public:
  std::span<const uint16_t> queue_sizes() const noexcept final { return queue_sizes_; }
  std::span<const int> doorbells() const noexcept final { return doorbell_numbers_; }
  void start(VirtioSession session) noexcept final;
  void stop() noexcept final;
  VirtqueueState stopped_at(uint16_t queue) const noexcept final;
  void hold() noexcept final;
  bool is_quiet() const noexcept final { return true; }
  void go_on() noexcept final;

  /// Call it when a doorbell is readable; one thread at a time.
  void on_doorbell(uint16_t queue) noexcept;

 protected:
  /// Throws SetupError if the host has no descriptor left.
  explicit ServedVirtioDevice(std::vector<uint16_t> queue_sizes);

  /// Serves requests of `queue`, which is number `index`: at most as many as the queue's size. True if it can serve
  /// more: it is called again when more come. False while it waits for something else; then it calls serve_all()
  /// itself.
  virtual bool serve(uint16_t index, Virtqueue& queue) noexcept REQUIRES(mu_) = 0;

  /// What else a device does when its driver is ready, before the first serve(); and when it stops, after the last
  /// serve(), while it still has its queues. A device that is held stops too, and starts again when it goes on.
  virtual void on_start() noexcept REQUIRES(mu_) {}
  virtual void on_stop() noexcept REQUIRES(mu_) {}

  /// Makes the thread that watches the doorbell serve that queue again.
  void ring(uint16_t index) noexcept;
  /// The queue, or nullptr while the device is not started or is held, or if the driver did not enable it.
  Virtqueue* queue(uint16_t index) noexcept REQUIRES(mu_);
  /// Interrupts the driver, if there is one: not while the device is held. For a caller that has seen that the driver
  /// wants it.
  void interrupt(uint16_t index) noexcept REQUIRES(mu_);
  /// After push(): interrupts the driver if it wants that.
  void interrupt_if_wanted(uint16_t index) noexcept REQUIRES(mu_);
  /// serve(), if the queue can be served now. Then asks for kicks, and reports a broken queue.
  void serve_all(uint16_t index) noexcept REQUIRES(mu_);
  /// A driver of a device that is held hears of it when the device goes on.
  void config_changed() noexcept REQUIRES(mu_);
  void needs_reset(std::string_view why) noexcept REQUIRES(mu_);
  uint64_t driver_features() const noexcept REQUIRES(mu_) { return session_ ? session_->features : 0; }

  mutable Mutex mu_;

 private:
  void begin_to_serve() noexcept REQUIRES(mu_);
  Virtqueue* queue_of_session(uint16_t index) noexcept REQUIRES(mu_);

  const std::vector<uint16_t> queue_sizes_;
  std::vector<Fd> doorbells_;
  std::vector<int> doorbell_numbers_;
  std::optional<VirtioSession> session_ GUARDED_BY(mu_);
  std::vector<VirtqueueState> stopped_at_ GUARDED_BY(mu_);  // one for each queue
  bool held_ GUARDED_BY(mu_) = false;
  bool config_changed_while_held_ GUARDED_BY(mu_) = false;
};

}  // namespace rvvmm

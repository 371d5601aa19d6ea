// vhost-net: the host's kernel serves a pair of a network device's queues. Linux, include/uapi/linux/vhost.h.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "devices/virtio/virtqueue.hpp"

namespace rvvmm {

/// ioctl(2) on a descriptor of /dev/vhost-net; the seam for tests. One thread at a time.
class VhostCalls {
 public:
  virtual ~VhostCalls() = default;
  /// The ioctl's value, or -1 with errno.
  virtual int call(unsigned long request, void* argument) noexcept = 0;
};

/// One thread at a time. From start() to stop() a thread of the kernel moves frames between the queue and a tap; each
/// kick wakes that thread, and it writes call_fd() where it would interrupt the driver.
class VhostNet {
 public:
  /// Of the pair, as VHOST_NET_SET_BACKEND numbers them.
  enum class Side : uint8_t { kReceive, kTransmit };

  /// Throws SetupError.
  static std::unique_ptr<VhostNet> open();
  /// The same over a descriptor that is open. Throws the same, also where the kernel lacks what a queue may need.
  explicit VhostNet(std::unique_ptr<VhostCalls> calls);
  /// Stops both.
  ~VhostNet();
  VhostNet(const VhostNet&) = delete;
  VhostNet& operator=(const VhostNet&) = delete;

  struct Connections {
    int kick = -1;          ///< an eventfd: the queue's doorbell
    int tap = -1;           ///< its frames begin with a virtio header of 12 bytes
    uint64_t features = 0;  ///< that the driver has accepted
  };
  /// False, and why() tells, where the host refuses. Nothing for one that is started. Requests that are there already
  /// are served once there is a kick.
  bool start(Side side, const Virtqueue& queue, const Connections& connections) noexcept;
  /// When this returns the kernel touches neither queue nor guest memory, and `queue` goes on where it was. False where
  /// the side was not started.
  bool stop(Side side, Virtqueue& queue) noexcept;

  /// Nonblocking eventfds, open for its whole life: the driver is to be interrupted; it has broken the queue.
  int call_fd(Side side) const noexcept { return ring(side).call.get(); }
  int error_fd(Side side) const noexcept { return ring(side).error.get(); }

  /// What the host has refused last.
  std::string why() const;

 private:
  struct Ring {
    Fd call;
    Fd error;
    bool started = false;
  };

  Ring& ring(Side side) noexcept { return rings_[static_cast<size_t>(side)]; }
  const Ring& ring(Side side) const noexcept { return rings_[static_cast<size_t>(side)]; }
  bool call(unsigned long request, void* argument, std::string_view what) noexcept;
  bool set_memory(const GuestMemory& memory) noexcept;
  bool set_ring(Side side, const Virtqueue& queue, int kick) noexcept;
  bool set_eventfd(unsigned long request, Side side, int eventfd, std::string_view what) noexcept;
  bool set_backend(Side side, int tap) noexcept;
  uint16_t detach(Side side) noexcept;

  std::unique_ptr<VhostCalls> calls_;
  std::array<Ring, 2> rings_;
  std::string_view refused_;  // the step that failed last
  int errno_ = 0;
};

}  // namespace rvvmm

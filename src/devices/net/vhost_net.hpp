// vhost-net: the host's kernel serves one pair of queues of a network device. Linux, include/uapi/linux/vhost.h.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "devices/virtio/virtqueue.hpp"

namespace rvvmm {

/// ioctl(2) on a descriptor of /dev/vhost-net; tests replace it. One thread at a time.
class VhostCalls {
 public:
  virtual ~VhostCalls() = default;
  /// The ioctl's value, or -1 with errno.
  virtual int call(unsigned long request, void* argument) noexcept = 0;
};

/// One thread at a time. From start() to stop() a kernel thread moves frames between the queue and a tap. Each kick
/// wakes that thread. To interrupt the driver it writes call_fd().
class VhostNet {
 public:
  /// The queues of the pair, numbered as for VHOST_NET_SET_BACKEND.
  enum class Side : uint8_t { kReceive, kTransmit };

  /// Throws SetupError.
  static std::unique_ptr<VhostNet> open();
  /// Takes a descriptor that is open already. Throws SetupError, also if the kernel lacks what a queue may need.
  explicit VhostNet(std::unique_ptr<VhostCalls> calls);
  /// Stops both sides.
  ~VhostNet();
  VhostNet(const VhostNet&) = delete;
  VhostNet& operator=(const VhostNet&) = delete;

  struct Connections {
    int kick = -1;          ///< an eventfd: the queue's doorbell
    int tap = -1;           ///< its frames begin with a virtio header of 12 bytes
    uint64_t features = 0;  ///< accepted by the driver
  };
  /// False if the host refuses; why() says what. Does nothing for a side that is started. Requests that are available
  /// already are served after the next kick.
  bool start(Side side, const Virtqueue& queue, const Connections& connections) noexcept;
  /// When this returns, the kernel touches neither the queue nor guest memory, and `queue` continues where the kernel
  /// stopped. False if the side was not started.
  bool stop(Side side, Virtqueue& queue) noexcept;

  /// Nonblocking eventfds, open for the object's whole life. call_fd(): the driver is to be interrupted. error_fd():
  /// the driver has broken the queue.
  int call_fd(Side side) const noexcept { return ring(side).call.get(); }
  int error_fd(Side side) const noexcept { return ring(side).error.get(); }

  /// What the host refused last.
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

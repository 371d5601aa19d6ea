// The virtio network device: virtio 1.2, 5.1.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "devices/net/mac_address.hpp"
#include "devices/net/net_backend.hpp"
#include "devices/net/vhost_net.hpp"
#include "devices/virtio/served_virtio_device.hpp"

namespace rvvmm {

struct VirtioNetOptions {
  unsigned number = 0;  ///< of the device: 0 is "net0"
  MacAddress mac{};
  std::unique_ptr<NetBackend> backend;
  /// One for each pair of the backend, which is a tap: vhost-net moves the frames. Empty: rvvmm moves them.
  std::vector<std::unique_ptr<VhostNet>> vhost = {};
};

/// What the driver has configured through the control queue.
struct VirtioNetState {
  uint16_t active_pairs = 1;

  friend bool operator==(const VirtioNetState&, const VirtioNetState&) = default;
};

/// Only frames that rvvmm moves: vhost-net does not count.
struct VirtioNetCounters {
  uint64_t received = 0;        ///< frames given to the driver
  uint64_t sent = 0;            ///< frames given to the backend
  uint64_t receive_drops = 0;   ///< too long for the driver's buffers, not a frame at all, or older than its driver
  uint64_t transmit_drops = 0;  ///< too short, too long, refused by the host, or the link was down
};

/// A thread of the device, "io-netN", moves the frames. It sleeps in epoll_wait(2) until a doorbell rings or the
/// backend has something. It reads a frame directly into the driver's buffers, and writes a frame directly from them.
/// While the driver has no buffer, it does not read the backend: frames wait there, and the host decides who has to
/// wait. With vhost-net the kernel moves the frames. Then the thread wakes only for the control queue, for a queue that
/// the driver has broken, for the end of the tap, and for interrupts that the kernel does not deliver by itself
/// (VirtioDevice::calls()). If vhost-net refuses, the thread moves the frames instead.
class VirtioNet final : public ServedVirtioDevice {
 public:
  static constexpr uint16_t kQueueSize = 256;

  /// Host descriptors of a device with so many pairs. Two are the thread's and two are passt's. Each pair has the tap's
  /// and two doorbells, and the control queue has a doorbell. With vhost-net there is one more for news of taps, and
  /// each pair has one of vhost-net and two eventfds for each queue.
  static constexpr uint32_t descriptors(uint16_t pairs, bool vhost) noexcept {
    return 5 + pairs * 3U + (vhost ? 1 + pairs * 5U : 0);
  }

  /// Throws SetupError if the host has no descriptor left.
  explicit VirtioNet(VirtioNetOptions options);
  ~VirtioNet() override;

  std::string_view name() const noexcept override { return name_; }
  VirtioId id() const noexcept override { return VirtioId::kNet; }
  uint64_t features() const noexcept override { return features_; }
  void read_config(uint64_t offset, std::span<std::byte> out) noexcept override;
  std::span<const int> calls() const noexcept override { return calls_; }

  /// Starts the thread; throws SetupError if that fails. Called once, by the main thread.
  void launch();
  /// One round of the thread's work: waits at most `timeout_ms` (-1: without limit) and serves what is ready. Tests
  /// call it, since they have no thread.
  void serve_events(int timeout_ms) noexcept;

  VirtioNetCounters counters() const noexcept;
  void reset() noexcept override;
  VirtioNetState state() const noexcept;
  /// Call it before the driver is ready.
  void restore(const VirtioNetState& state) noexcept;

 private:
  /// Only a driver whose buffers are smaller than 1 KiB would need more. It cannot receive the longest frames.
  static constexpr size_t kMostChains = 64;
  static constexpr size_t kMostPieces = 128;

  /// Buffers of a receive queue that were popped and wait for frames.
  struct Receiver {
    Receiver();

    std::unique_ptr<iovec[]> rooms;  // the buffers of the chains
    std::vector<DescriptorChain> chains;
    size_t first = 0;
    size_t count = 0;       // chains in hand, from chains[first] on, in a ring
    uint64_t bytes = 0;     // that the chains in hand have room for
    size_t expected = 0;    // the likely size of the next frame
    size_t presented = 0;   // bytes of chains that the last read could fill; the rest of its frame is in `overflow`
    size_t frame = 0;       // bytes of a frame that waits for more buffers; 0: none
    bool is_stale = false;  // the backend may have frames from before the driver's reset
    std::vector<std::byte> overflow;
  };

  bool serve(uint16_t index, Virtqueue& queue) noexcept override REQUIRES(mu_);
  void on_start() noexcept override REQUIRES(mu_);
  void on_stop() noexcept override REQUIRES(mu_);

  bool receive_all(uint16_t pair, Virtqueue& queue) noexcept REQUIRES(mu_);
  enum class Progress : uint8_t { kFrame, kNoFrame, kNoBuffer };
  Progress receive_frame(uint16_t pair, Receiver& receiver, Virtqueue& queue) noexcept REQUIRES(mu_);
  Progress deliver(Receiver& receiver, Virtqueue& queue) noexcept REQUIRES(mu_);
  void top_up(Receiver& receiver, Virtqueue& queue, uint64_t wanted) noexcept REQUIRES(mu_);
  static void give_back_short_ones(Receiver& receiver, Virtqueue& queue) noexcept;
  std::span<const iovec> pieces_of(Receiver& receiver) noexcept REQUIRES(mu_);
  size_t chains_per_frame() noexcept REQUIRES(mu_);
  void drop_received(size_t bytes) noexcept REQUIRES(mu_);
  void drop_stale_frames() noexcept REQUIRES(mu_);

  bool transmit_all(uint16_t pair, Virtqueue& queue) noexcept REQUIRES(mu_);
  NetIo transmit(uint16_t pair, const DescriptorChain& chain) noexcept REQUIRES(mu_);

  std::optional<uint16_t> control_queue() noexcept REQUIRES(mu_);
  bool serve_control(uint16_t index, Virtqueue& queue) noexcept REQUIRES(mu_);
  bool obey(std::span<const iovec> command) noexcept REQUIRES(mu_);

  uint16_t vhost_queues() const noexcept { return static_cast<uint16_t>(vhost_.size() * 2); }
  void start_vhost() noexcept REQUIRES(mu_);
  void stop_vhost(uint16_t first_pair = 0) noexcept REQUIRES(mu_);
  bool stop_vhost_queue(uint16_t index) noexcept REQUIRES(mu_);
  void leave_vhost() noexcept REQUIRES(mu_);
  void on_call(uint16_t index) noexcept;
  void on_vhost_error(uint16_t index) noexcept;
  void on_backend_news() noexcept;
  bool lose_backend_if_gone() noexcept REQUIRES(mu_);

  void lose_link() noexcept REQUIRES(mu_);
  void on_backend(uint16_t pair, uint32_t events) noexcept;
  bool watch(int fd, uint64_t tag, uint32_t events) noexcept;
  bool watch_backend(uint16_t pair, uint32_t events, int operation) noexcept;
  bool watch_frames() noexcept;
  bool watch_vhost() noexcept;
  void wait_for_room(uint16_t pair) noexcept REQUIRES(mu_);
  void run() noexcept;

  const std::string name_;
  const MacAddress mac_;
  const std::unique_ptr<NetBackend> backend_;
  const uint64_t features_;
  const std::vector<std::unique_ptr<VhostNet>> vhost_;  // their eventfds stay open all the time
  std::vector<int> calls_;
  Fd events_;
  Fd stop_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> link_up_ = true;
  bool in_kernel_ GUARDED_BY(mu_);  // vhost_ serves the pairs
  std::vector<Receiver> receivers_ GUARDED_BY(mu_);
  DescriptorChain chain_ GUARDED_BY(mu_);
  std::array<iovec, kMostPieces + 1> pieces_ GUARDED_BY(mu_);
  VirtioNetState state_ GUARDED_BY(mu_);
  VirtioNetCounters counters_ GUARDED_BY(mu_);
  log::RateLimit drop_lines_{"frames dropped", name_};
  log::RateLimit vhost_lines_{"vhost left", name_};
  std::jthread thread_;
};

}  // namespace rvvmm

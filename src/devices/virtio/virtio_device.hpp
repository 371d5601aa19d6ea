// What a virtio device is, whichever transport it is behind: virtio 1.2, chapters 2 and 5.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/inplace_vector.hpp"
#include "devices/virtio/virtqueue.hpp"

namespace rvvmm {

/// Device ids: virtio 1.2, 5.
enum class VirtioId : uint16_t {
  kNet = 1,
  kBlock = 2,
  kConsole = 3,
  kEntropy = 4,
  kInput = 18,
};

/// Feature bits that belong to no device in particular: virtio 1.2, 6.
inline constexpr uint64_t kVirtioIndirectDescriptors = 1ULL << 28;
inline constexpr uint64_t kVirtioEventIdx = 1ULL << 29;
inline constexpr uint64_t kVirtioVersion1 = 1ULL << 32;

/// How a started device reaches its driver. Any thread; never blocks, and takes no lock that is held while the device
/// is started or stopped.
class VirtioDriverSide {
 public:
  virtual ~VirtioDriverSide() = default;
  /// An interrupt for requests of that queue that are done; whether one is wanted Virtqueue::wants_interrupt() says.
  virtual void interrupt_queue(uint16_t queue) noexcept = 0;
  /// The device's configuration space has changed.
  virtual void config_changed() noexcept = 0;
  /// The device cannot go on until its driver resets it (DEVICE_NEEDS_RESET); `why` is logged, once.
  virtual void needs_reset(std::string_view why) noexcept = 0;
};

/// Queues of one device: those of a network card with 16 pairs.
inline constexpr size_t kMostVirtioQueues = 33;

/// What DRIVER_OK hands over: all there is to serve requests with, until stop().
struct VirtioSession {
  /// By number; nullopt for one that the driver did not enable.
  InplaceVector<std::optional<Virtqueue>, kMostVirtioQueues> queues;
  uint64_t features = 0;  ///< that device and driver agreed on
  VirtioDriverSide* driver = nullptr;
};

/// The body of a device. Its transport makes one call at a time; a device that serves requests on a thread of its own
/// takes care of itself. Lives longer than one machine: a guest's reset stops it, and the next machine starts it again.
class VirtioDevice {
 public:
  virtual ~VirtioDevice() = default;

  /// For logs: "disk0", "net0".
  virtual std::string_view name() const noexcept = 0;
  virtual VirtioId id() const noexcept = 0;
  /// Device feature bits only (0-23, 50-127); the transport adds what concerns queues.
  virtual uint64_t features() const noexcept = 0;
  /// The largest size of each queue, by number; at most kMostVirtioQueues. The same for the device's whole life.
  virtual std::span<const uint16_t> queue_sizes() const noexcept = 0;

  /// Fills `out` from the device's configuration space; what is beyond its end reads zero. Any width and alignment.
  virtual void read_config(uint64_t offset, std::span<std::byte> out) noexcept = 0;
  /// Nothing by default: most configuration spaces are for reading.
  virtual void write_config(uint64_t /*offset*/, std::span<const std::byte> /*in*/) noexcept {}

  /// For each queue an eventfd that becomes readable when the driver has made requests available; KVM writes it
  /// without an exit where it can. Open before the harts run and as long as the device lives. Nonblocking or not:
  /// a counter of 64 bits that grows by one a kick never makes its writer wait.
  virtual std::span<const int> doorbells() const noexcept = 0;

  /// For each queue an eventfd that is written where others call interrupt_queue(), by a server in the kernel; -1 for a
  /// queue without, empty: for none. A transport connects it to the message that it would send
  /// (MsiSink::connect_msi()), where there is one; what the eventfd keeps, the device reads and has interrupt_queue()
  /// do the rest. The same, and open, for the device's whole life.
  virtual std::span<const int> calls() const noexcept { return {}; }

  /// Whether kicks of that queue are to come to serve_on_hart(), an exit each, and not to its doorbell: for a queue
  /// whose driver stands and waits for each request. To wake another thread takes longer than to serve it here, and
  /// very long on a host of one CPU, which the waiting hart has.
  virtual bool served_on_hart(uint16_t /*queue*/) const noexcept { return false; }
  /// The hart that kicks waits: must not block.
  virtual void serve_on_hart(uint16_t /*queue*/) noexcept {}

  /// The driver is ready: serve its requests. Requests may be there already, without a kick.
  virtual void start(VirtioSession session) noexcept = 0;
  /// Nobody waits for answers any more: the driver resets the device, or is gone. stop(), which follows, need not
  /// finish what takes long. Nothing by default.
  virtual void give_up_requests() noexcept {}
  /// Returns when the device touches no queue and no guest memory any more, and has called the session's driver side
  /// for the last time. Requests in hand are finished or given back (Virtqueue::undo_pop()), so that stopped_at() is
  /// where the next session can go on; what cannot be is dropped. Nothing when it is not started.
  virtual void stop() noexcept = 0;
  /// Where that queue stood when the device was stopped last. Only of one that is stopped: a running device is stopped
  /// to be asked, and started again with a session whose queues go on from there.
  virtual VirtqueueState stopped_at(uint16_t queue) const noexcept = 0;
  /// The driver has reset the device, or there is another one now: what it had configured, beyond features and queues,
  /// is forgotten. stop() alone keeps it. The device is stopped.
  virtual void reset() noexcept {}
};

/// `config` as a device's configuration space, for read_config(): copies what of [offset, offset + out.size()) it has,
/// and zeroes the rest.
void read_config_bytes(std::span<const std::byte> config, uint64_t offset, std::span<std::byte> out) noexcept;

}  // namespace rvvmm

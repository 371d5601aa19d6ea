// The interface of a virtio device, the same behind each transport: virtio 1.2, chapters 2 and 5.
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

/// Feature bits that do not belong to one type of device: virtio 1.2, 6.
inline constexpr uint64_t kVirtioIndirectDescriptors = 1ULL << 28;
inline constexpr uint64_t kVirtioEventIdx = 1ULL << 29;
inline constexpr uint64_t kVirtioVersion1 = 1ULL << 32;

/// How a started device reaches its driver. Any thread; never blocks, and takes no lock that is held while the device
/// is started or stopped.
class VirtioDriverSide {
 public:
  virtual ~VirtioDriverSide() = default;
  /// An interrupt for finished requests of that queue. Virtqueue::wants_interrupt() says whether the driver wants one.
  virtual void interrupt_queue(uint16_t queue) noexcept = 0;
  /// The device's configuration space has changed.
  virtual void config_changed() noexcept = 0;
  /// The device cannot go on until its driver resets it (DEVICE_NEEDS_RESET); `why` is logged, once.
  virtual void needs_reset(std::string_view why) noexcept = 0;
};

/// The most queues of one device: a network card with 16 pairs has so many.
inline constexpr size_t kMostVirtioQueues = 33;

/// What DRIVER_OK hands over to the device: all that it needs to serve requests, until stop().
struct VirtioSession {
  /// By number; nullopt for a queue that the driver did not enable.
  InplaceVector<std::optional<Virtqueue>, kMostVirtioQueues> queues;
  uint64_t features = 0;  ///< that device and driver agreed on
  VirtioDriverSide* driver = nullptr;
};

/// The body of a device. Its transport makes one call at a time; a device that serves requests on its own threads
/// guards itself. It lives longer than one machine: a guest's reset stops it, and the next machine starts it again.
class VirtioDevice {
 public:
  virtual ~VirtioDevice() = default;

  /// For logs: "disk0", "net0".
  virtual std::string_view name() const noexcept = 0;
  virtual VirtioId id() const noexcept = 0;
  /// Device feature bits only (0-23, 50-127); the transport adds the bits that concern queues.
  virtual uint64_t features() const noexcept = 0;
  /// The largest size of each queue, by number; at most kMostVirtioQueues. The same for the device's whole life.
  virtual std::span<const uint16_t> queue_sizes() const noexcept = 0;

  /// Fills `out` from the device's configuration space; bytes beyond its end read zero. Any width and alignment.
  virtual void read_config(uint64_t offset, std::span<std::byte> out) noexcept = 0;
  /// Does nothing by default: most configuration spaces are read-only.
  virtual void write_config(uint64_t /*offset*/, std::span<const std::byte> /*in*/) noexcept {}

  /// For each queue an eventfd that becomes readable when the driver has made requests available. KVM writes it without
  /// an exit where it can. Open before the harts run and as long as the device lives. It may block or not: a counter of
  /// 64 bits that grows by one for each kick never makes its writer wait.
  virtual std::span<const int> doorbells() const noexcept = 0;

  /// For each queue an eventfd that a server in the kernel writes, where other devices call interrupt_queue(); -1 for a
  /// queue without one, empty if no queue has one. A transport connects it to the message that it would send
  /// (MsiSink::connect_msi()), if there is a message. While it is not connected, the device reads the eventfd and calls
  /// interrupt_queue(). The same, and open, for the device's whole life.
  virtual std::span<const int> calls() const noexcept { return {}; }

  /// Whether kicks of that queue come to serve_on_hart(), with an exit for each, and not to its doorbell. This is for a
  /// queue whose driver waits for each request. It takes longer to wake another thread than to serve the request here,
  /// and very long on a host with one CPU, which the waiting hart occupies.
  virtual bool served_on_hart(uint16_t /*queue*/) const noexcept { return false; }
  /// The hart that kicks waits for the return: must not block.
  virtual void serve_on_hart(uint16_t /*queue*/) noexcept {}

  /// The driver is ready: serve its requests. Requests may be there already, without a kick.
  virtual void start(VirtioSession session) noexcept = 0;
  /// No answer is needed any more: the driver resets the device, or is gone. The stop() that follows need not finish
  /// what takes long. Does nothing by default.
  virtual void give_up_requests() noexcept {}
  /// Returns when the device no longer touches a queue or guest memory, and has called the session's driver side for
  /// the last time. Requests in hand are finished or given back (Virtqueue::undo_pop()), so that the next session can
  /// continue at stopped_at(). A request for which neither is possible is dropped. Nothing when it is not started.
  virtual void stop() noexcept = 0;
  /// Where that queue stood when the device was stopped last. Only for a stopped device: to ask a running device, stop
  /// it, and start it again with a session whose queues continue from there.
  virtual VirtqueueState stopped_at(uint16_t queue) const noexcept = 0;

  // A pause of the machine. One thread makes these calls, also while another one starts or stops the device.

  /// Until go_on(), the device begins no request. It can be started and stopped meanwhile.
  virtual void hold() noexcept = 0;
  /// No request is in hand. While it is held, the device then touches neither a queue nor guest memory, and does not
  /// call the driver side.
  virtual bool is_quiet() const noexcept = 0;
  /// Takes hold() back, also before the device was quiet. Does nothing if it is not held.
  virtual void go_on() noexcept = 0;

  /// The driver has reset the device, or another driver follows. The device, which is stopped, forgets what the driver
  /// configured beyond features and queues. stop() alone keeps that.
  virtual void reset() noexcept {}
};

/// read_config() for a device whose configuration space is `config`: copies the part of [offset, offset + out.size())
/// that `config` has, and zeroes the rest.
void read_config_bytes(std::span<const std::byte> config, uint64_t offset, std::span<std::byte> out) noexcept;

}  // namespace rvvmm

// The virtio transport over PCI, modern devices only: virtio 1.2, 4.1.
#pragma once

#include <vector>

#include "base/doorbell.hpp"
#include "devices/pci/pci_function.hpp"
#include "devices/virtio/virtio_control.hpp"

namespace rvvmm {

/// Everything that a guest has set up or can see of the function and of the device behind it, as plain data.
struct VirtioPciState {
  PciFunctionState function;
  VirtioControlState control{};
  uint32_t device_features_word = 0;
  uint32_t driver_features_word = 0;
  uint16_t queue = 0;
  uint8_t interrupt_causes = 0;
  uint16_t config_vector = 0;
  std::vector<uint16_t> queue_vectors{};

  friend bool operator==(const VirtioPciState&, const VirtioPciState&) = default;
};

/// Any hart thread; see PciFunction for the mutexes. Each queue's notification has an address of its own. The queue's
/// doorbell is at that address while the BAR is in place. A guest that takes bus mastering away resets the device.
class VirtioPci final : public PciFunction, private VirtioInterruptSink {
 public:
  /// The BAR that contains everything, and the offsets in it.
  static constexpr uint8_t kBar = 0;
  static constexpr uint64_t kBarSize = 32_KiB;
  static constexpr uint64_t kCommonOffset = 0x0000;
  static constexpr uint64_t kIsrOffset = 0x1000;
  static constexpr uint64_t kConfigOffset = 0x2000;
  static constexpr uint64_t kNotifyOffset = 0x3000;
  static constexpr uint64_t kMsixTableOffset = 0x4000;
  static constexpr uint64_t kMsixPendingOffset = 0x6000;
  /// Bytes from one queue's notification to the next: notify_off_multiplier.
  static constexpr uint32_t kNotifyStride = 4;
  /// The table of vectors has room for so many queues with a vector each, and for the configuration's vector.
  static constexpr uint16_t kMostQueues = 511;
  /// Vectors of a device with so many queues when each queue has its own.
  static constexpr uint16_t vectors_for(size_t queues) noexcept { return static_cast<uint16_t>(queues + 1); }
  /// Means that there is no vector: 4.1.4.3.
  static constexpr uint16_t kNoVector = 0xFFFF;

  struct Parts {
    VirtioDevice& device;  ///< with kMostQueues at most
    const GuestMemory& memory;
    PciConnections pci;
    DoorbellHost& doorbells;
    /// At most so many vectors in its MSI-X table, which never needs more than one for each queue and one for the
    /// configuration; 0: no MSI-X. With fewer, a driver lets queues share a vector, or does without MSI-X (4.1.5.1.2).
    uint16_t vectors = MsixTable::kMostVectors;
  };

  /// All of its parts outlive it.
  explicit VirtioPci(const Parts& parts);
  ~VirtioPci() override;

  std::string_view name() const noexcept override { return name_; }

  /// See VirtioControl: a started device is stopped for this and started again.
  VirtioPciState state();
  /// For snapshots, after guest memory, the interrupt controller and the device's body: takes over what a guest could
  /// have caused.
  void restore(const VirtioPciState& state);

 private:
  IoStatus load(uint8_t bar, uint64_t offset, std::span<std::byte> out) noexcept override REQUIRES(mu_);
  IoStatus store(uint8_t bar, uint64_t offset, std::span<const std::byte> in) noexcept override REQUIRES(mu_);
  void bar_moved(uint8_t bar, std::optional<Gpa> place) noexcept override REQUIRES(mu_);
  void before_config_read(uint64_t offset, size_t width) noexcept override REQUIRES(mu_);
  void after_config_write(uint64_t offset, size_t width) noexcept override REQUIRES(mu_);
  void msix_changed() noexcept override REQUIRES(irq_mu_) { connect_calls(); }

  void interrupt_queue(uint16_t queue) noexcept override;
  void interrupt_config() noexcept override;

  void add_capabilities() REQUIRES(mu_);
  void remove_doorbells() noexcept REQUIRES(mu_);
  void follow_bus_master() noexcept REQUIRES(mu_);
  /// Makes each of the device's calls send what its queue's vector sends now, or disconnects it.
  void connect_calls() noexcept REQUIRES(irq_mu_);
  void connect_call(size_t queue, const std::optional<MsiMessage>& message) noexcept REQUIRES(irq_mu_);

  uint32_t common(uint64_t offset) noexcept REQUIRES(mu_);
  uint32_t queue_register(uint64_t offset) noexcept REQUIRES(mu_);
  void set_common(uint64_t offset, uint32_t value) noexcept REQUIRES(mu_);
  void set_queue_register(uint64_t offset, uint32_t value) noexcept REQUIRES(mu_);
  void set_status(uint8_t status) noexcept REQUIRES(mu_);
  uint8_t take_interrupt_causes() noexcept;
  uint16_t checked_vector(uint32_t vector) const noexcept REQUIRES(irq_mu_);

  /// What the configuration access capability selects, if the BAR can have such an access.
  struct Window {
    uint64_t offset;
    uint32_t width;
  };
  std::optional<Window> window() noexcept REQUIRES(mu_);
  bool is_window_data(uint64_t offset, size_t width) const noexcept;

  DoorbellHost& doorbell_host_;
  std::string_view name_;
  uint8_t window_capability_ = 0;  // where it is in configuration space

  uint32_t device_features_word_ GUARDED_BY(mu_) = 0;
  uint32_t driver_features_word_ GUARDED_BY(mu_) = 0;
  uint16_t queue_ GUARDED_BY(mu_) = 0;
  bool bus_master_ GUARDED_BY(mu_) = false;
  std::vector<Doorbell> doorbells_ GUARDED_BY(mu_);  // those that the host has accepted

  uint8_t causes_ GUARDED_BY(irq_mu_) = 0;
  uint16_t config_vector_ GUARDED_BY(irq_mu_) = kNoVector;
  std::vector<uint16_t> queue_vectors_ GUARDED_BY(irq_mu_);
  const std::span<const int> calls_;
  std::vector<std::optional<MsiMessage>> connected_ GUARDED_BY(irq_mu_);  // what each of calls_ sends

  VirtioControl control_ GUARDED_BY(mu_);  // last: the device is stopped while everything else still exists
};

}  // namespace rvvmm

// The virtio transport over memory-mapped registers, modern (version 2): virtio 1.2, 4.2.
#pragma once

#include "base/irq.hpp"
#include "base/mutex.hpp"
#include "devices/device.hpp"
#include "devices/virtio/virtio_control.hpp"

namespace rvvmm {

/// Everything that a driver has set up or can see of a device behind these registers, as plain data.
struct VirtioMmioState {
  VirtioControlState control;
  uint8_t causes = 0;  ///< InterruptStatus
  uint32_t device_features_word = 0;
  uint32_t driver_features_word = 0;
  uint32_t queue = 0;  ///< QueueSel

  friend bool operator==(const VirtioMmioState&, const VirtioMmioState&) = default;
};

/// Any hart thread; guarded by mu_, which interrupts never take.
class VirtioMmio final : public Device, private VirtioInterruptSink {
 public:
  static constexpr uint64_t kWindowSize = 0x1000;
  /// QueueNotify, which takes a queue's number in 32 bits: the hypervisor can have a doorbell at this offset.
  static constexpr uint64_t kDoorbellOffset = 0x50;

  VirtioMmio(VirtioDevice& device, const GuestMemory& memory, IrqLine& irq)
      : irq_(irq), device_name_(device.name()), control_(device, memory, *this) {}

  std::string_view name() const noexcept override { return "virtio-mmio"; }
  /// Uses the name of the device behind the transport.
  DevicePlace place_of(uint64_t offset, bool is_write) const override;
  void add_names(std::vector<std::string>& names) const override { names.emplace_back(device_name_); }
  std::string_view register_name(uint64_t offset, bool is_write) const noexcept override;
  /// Registers are 32 bits wide; the device's configuration, from 0x100, takes any width.
  IoStatus read(uint64_t offset, std::span<std::byte> out) noexcept override;
  IoStatus write(uint64_t offset, std::span<const std::byte> in) noexcept override;
  void describe(FdtBuilder& fdt, const FdtSlot& slot) const override;

  /// See VirtioControl: a started device is stopped for this and started again.
  VirtioMmioState state();
  /// For snapshots, after guest memory, the interrupt controller and the device's body.
  void restore(const VirtioMmioState& state);

 private:
  void interrupt_queue(uint16_t queue) noexcept override;
  void interrupt_config() noexcept override;
  void raise(uint8_t cause) noexcept;
  void acknowledge(uint32_t causes) noexcept;
  uint32_t interrupt_status() noexcept;

  IoStatus read_register(uint64_t offset, uint32_t& value) noexcept REQUIRES(mu_);
  IoStatus write_register(uint64_t offset, uint32_t value) noexcept REQUIRES(mu_);
  void set_status(uint8_t status) noexcept REQUIRES(mu_);
  void set_queue_address(uint64_t offset, uint32_t value) noexcept REQUIRES(mu_);
  void set_queue_ready(uint32_t value) noexcept REQUIRES(mu_);

  IrqLine& irq_;
  std::string_view device_name_;
  Mutex irq_mu_;
  uint8_t causes_ GUARDED_BY(irq_mu_) = 0;

  Mutex mu_;
  uint32_t device_features_word_ GUARDED_BY(mu_) = 0;
  uint32_t driver_features_word_ GUARDED_BY(mu_) = 0;
  uint32_t queue_ GUARDED_BY(mu_) = 0;
  VirtioControl control_ GUARDED_BY(mu_);
};

}  // namespace rvvmm

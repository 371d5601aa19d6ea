// A virtio keyboard with one key, the power key: virtio 1.2, 5.8.
#pragma once

#include <array>

#include "devices/virtio/served_virtio_device.hpp"

namespace rvvmm {

/// All of the device's state beyond what its transport keeps, as plain data.
struct VirtioInputState {
  uint8_t select = 0;       ///< what the driver selects in the configuration space: 5.8.4
  uint8_t subselect = 0;    ///< and for which event type
  uint8_t events_left = 0;  ///< of a press: the driver had no buffers for them yet

  friend bool operator==(const VirtioInputState&, const VirtioInputState&) = default;
};

/// Any thread, guarded by mu_.
class VirtioInput final : public ServedVirtioDevice {
 public:
  static constexpr uint16_t kEventQueue = 0;
  static constexpr uint16_t kStatusQueue = 1;

  /// Throws SetupError if the host has no descriptor left.
  VirtioInput();

  std::string_view name() const noexcept override { return "power-key"; }
  VirtioId id() const noexcept override { return VirtioId::kInput; }
  uint64_t features() const noexcept override { return 0; }
  void read_config(uint64_t offset, std::span<std::byte> out) noexcept override;
  void write_config(uint64_t offset, std::span<const std::byte> in) noexcept override;

  /// Presses the power key and releases it. True if the driver has received an event: false without a driver, and while
  /// the driver takes no events.
  bool press_power() noexcept;

  void reset() noexcept override { restore({}); }
  VirtioInputState state() const noexcept;
  /// Call it before start().
  void restore(const VirtioInputState& state) noexcept;

 private:
  bool serve(uint16_t index, Virtqueue& queue) noexcept override REQUIRES(mu_);
  void send_events(Virtqueue& queue) noexcept REQUIRES(mu_);

  VirtioInputState state_ GUARDED_BY(mu_);
  DescriptorChain chain_ GUARDED_BY(mu_);
};

}  // namespace rvvmm

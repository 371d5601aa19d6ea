// The virtio entropy device: virtio 1.2, 5.4.
#pragma once

#include "devices/virtio/served_virtio_device.hpp"

namespace rvvmm {

/// The host's randomness (getrandom(2)).
class VirtioRng final : public ServedVirtioDevice {
 public:
  /// Throws SetupError if the host has no descriptor left.
  VirtioRng() : ServedVirtioDevice({kQueueSize}) {}

  std::string_view name() const noexcept override { return "rng"; }
  VirtioId id() const noexcept override { return VirtioId::kEntropy; }
  uint64_t features() const noexcept override { return 0; }
  void read_config(uint64_t offset, std::span<std::byte> out) noexcept override { read_config_bytes({}, offset, out); }

 private:
  static constexpr uint16_t kQueueSize = 8;

  bool serve(uint16_t index, Virtqueue& queue) noexcept override REQUIRES(mu_);

  DescriptorChain chain_ GUARDED_BY(mu_);
};

}  // namespace rvvmm

// The virtio devices of the VM: THE list of them, and who serves them.
#pragma once

#include <list>
#include <memory>
#include <span>
#include <vector>

#include "devices/served_virtio_device.hpp"
#include "vmm/config.hpp"
#include "vmm/event_loop.hpp"

namespace rvvmm {

/// Made once, before the first machine; a guest's reset finds them again.
class VirtioDevices {
 public:
  /// Opens what the options name. Throws SetupError.
  explicit VirtioDevices(const Config& config);

  /// In the order in which the guest finds them.
  std::span<VirtioDevice* const> all() const noexcept { return all_; }
  bool empty() const noexcept { return all_.empty(); }

  /// Has `loop` serve those that have no thread of their own, for as long as what is returned lives.
  [[nodiscard]] std::list<EventLoop::Watch> watch_doorbells(EventLoop& loop);

 private:
  template <typename Body>
  Body& add(std::unique_ptr<Body> body);

  std::vector<std::unique_ptr<VirtioDevice>> owned_;
  std::vector<VirtioDevice*> all_;
  std::vector<ServedVirtioDevice*> served_;
};

}  // namespace rvvmm

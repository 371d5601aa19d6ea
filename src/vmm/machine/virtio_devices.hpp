// The virtio devices of the VM: THE list of them, and which of them the event loop serves.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <vector>

#include "devices/console/virtio_console.hpp"
#include "devices/input/virtio_input.hpp"
#include "devices/virtio/served_virtio_device.hpp"
#include "vmm/host/event_loop.hpp"
#include "vmm/options/config.hpp"

namespace rvvmm {

/// Made once, before the first machine; the same devices remain after a reset of the guest.
class VirtioDevices {
 public:
  /// How many descriptors the disks and network devices of `config` take.
  static uint32_t descriptors(const Config& config) noexcept;

  /// Opens what the options name. Throws SetupError.
  explicit VirtioDevices(const Config& config);

  /// Call it before the first machine. The objects that `options` names must outlive all machines.
  void add_console(const VirtioConsole::Options& options);
  /// nullptr if the console is the UART.
  VirtioConsole* console() const noexcept { return console_; }

  /// True if the guest has a power key, listens to it, and has been told of the press.
  bool press_power_key() noexcept { return power_key_ != nullptr && power_key_->press_power(); }

  /// In the order in which the guest finds them.
  std::span<VirtioDevice* const> all() const noexcept { return all_; }

  /// `loop` serves the devices without a thread of their own while the returned list lives.
  [[nodiscard]] std::list<EventLoop::Watch> watch_doorbells(EventLoop& loop);

 private:
  template <typename Body>
  Body& own(std::unique_ptr<Body> body);
  /// Like own(), for a device without a thread of its own.
  template <typename Body>
  Body& own_and_serve(std::unique_ptr<Body> body);

  std::vector<std::unique_ptr<VirtioDevice>> owned_;
  std::vector<VirtioDevice*> all_;
  std::vector<ServedVirtioDevice*> served_;
  VirtioConsole* console_ = nullptr;
  VirtioInput* power_key_ = nullptr;
};

}  // namespace rvvmm

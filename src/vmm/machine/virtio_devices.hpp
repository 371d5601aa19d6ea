// The virtio devices of the VM: THE list of them, and who serves them.
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

/// Made once, before the first machine; a guest's reset finds them again.
class VirtioDevices {
 public:
  /// How many descriptors the disks and network devices of `config` take.
  static uint32_t descriptors(const Config& config) noexcept;

  /// Opens what the options name. Throws SetupError.
  explicit VirtioDevices(const Config& config);

  /// What `options` name outlives the machines. Before the first of them.
  void add_console(const VirtioConsole::Options& options);
  /// nullptr where the console is the UART.
  VirtioConsole* console() const noexcept { return console_; }

  /// True if the guest has a power key, listens to it, and has been told.
  bool press_power_key() noexcept { return power_key_ != nullptr && power_key_->press_power(); }

  /// In the order in which the guest finds them.
  std::span<VirtioDevice* const> all() const noexcept { return all_; }

  /// Has `loop` serve those that have no thread of their own, for as long as what is returned lives.
  [[nodiscard]] std::list<EventLoop::Watch> watch_doorbells(EventLoop& loop);

 private:
  template <typename Body>
  Body& own(std::unique_ptr<Body> body);
  /// The same for a device without a thread of its own.
  template <typename Body>
  Body& own_and_serve(std::unique_ptr<Body> body);

  std::vector<std::unique_ptr<VirtioDevice>> owned_;
  std::vector<VirtioDevice*> all_;
  std::vector<ServedVirtioDevice*> served_;
  VirtioConsole* console_ = nullptr;
  VirtioInput* power_key_ = nullptr;
};

}  // namespace rvvmm

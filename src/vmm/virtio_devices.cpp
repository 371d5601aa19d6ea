#include "vmm/virtio_devices.hpp"

#include <type_traits>
#include <utility>

#include "devices/virtio_rng.hpp"

namespace rvvmm {

// THE list: a new device is made here.
VirtioDevices::VirtioDevices(const Config& config) {
  if (config.rng) add(std::make_unique<VirtioRng>());
  if (config.power_key) power_key_ = &add(std::make_unique<VirtioInput>());
}

void VirtioDevices::add_console(const VirtioConsole::Options& options) {
  console_ = &add(std::make_unique<VirtioConsole>(options));
}

template <typename Body>
Body& VirtioDevices::add(std::unique_ptr<Body> body) {
  Body& added = *body;
  if constexpr (std::is_base_of_v<ServedVirtioDevice, Body>) served_.push_back(&added);
  all_.push_back(&added);
  owned_.push_back(std::move(body));
  return added;
}

std::list<EventLoop::Watch> VirtioDevices::watch_doorbells(EventLoop& loop) {
  std::list<EventLoop::Watch> watches;
  for (ServedVirtioDevice* const device : served_) {
    for (uint16_t queue = 0; queue < device->doorbells().size(); ++queue)
      watches.emplace_back(loop, device->doorbells()[queue], [device, queue] { device->on_doorbell(queue); });
  }
  return watches;
}

}  // namespace rvvmm

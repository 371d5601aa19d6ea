// Internals of the network device: how its queues are numbered, and what its thread waits for.
#pragma once

#include <cstdint>
#include <utility>

#include "devices/net/vhost_net.hpp"

namespace rvvmm::virtio_net_parts {

/// What epoll_wait() returns to the thread: the kind of event, and a number within the kind.
enum class Source : uint32_t { kStop, kDoorbell, kBackend, kCall, kVhostError, kBackendNews };
inline uint64_t tag(Source source, uint16_t number) noexcept {
  return uint64_t{std::to_underlying(source)} << 32 | number;
}

// Receive and transmit queue of each pair, then the control queue: virtio 1.2, 5.1.2.
constexpr bool is_transmit(uint16_t queue) noexcept {
  return queue % 2 == 1;
}
constexpr VhostNet::Side side_of(uint16_t queue) noexcept {
  return is_transmit(queue) ? VhostNet::Side::kTransmit : VhostNet::Side::kReceive;
}
constexpr uint16_t receive_queue(uint16_t pair) noexcept {
  return static_cast<uint16_t>(pair * 2);
}
constexpr uint16_t transmit_queue(uint16_t pair) noexcept {
  return static_cast<uint16_t>(pair * 2 + 1);
}

}  // namespace rvvmm::virtio_net_parts

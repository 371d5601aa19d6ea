// Which device gets the interrupt identities of a machine with an AIA. Only 31 work, even if the guest is told of more.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rvvmm {

/// In KVM's software interrupt file only half of each 64 identities work: those whose number modulo 64 is below 32
/// (docs/kvm-quirks.md, "Interrupt identities"). So a guest that assigns them upward from 1 can use 31.
inline constexpr uint32_t kInterruptIdentities = 31;
/// Linux uses one on each hart for interrupts between harts.
inline constexpr uint32_t kIdentitiesOfHarts = 1;

/// How many identities are left besides `wired_inputs` inputs of the APLIC. Each input is forwarded as a message with
/// its own identity. The number is for all harts together, because a guest may send all interrupts to one hart.
constexpr uint32_t identities_beside(size_t wired_inputs) noexcept {
  const size_t taken = kIdentitiesOfHarts + wired_inputs;
  return taken < kInterruptIdentities ? kInterruptIdentities - static_cast<uint32_t>(taken) : 0;
}

/// The vectors that a PCI device would like.
struct VectorWish {
  uint16_t vectors = 0;  ///< one for each queue and one for the configuration
  uint8_t rank = 0;      ///< lower ranks come first
};

/// The smallest MSI-X table that a virtio driver can use: one vector for the configuration, one that all queues share.
inline constexpr uint16_t kSharedVectors = 2;

/// The size of each device's MSI-X table: as many vectors as it would like, kSharedVectors, or 0, and then it uses its
/// pin. All tables together have at most `identities` vectors. First as many devices as possible get kSharedVectors,
/// because a pin costs exits for each interrupt. The rest of the identities makes tables complete.
std::vector<uint16_t> share_vectors(std::span<const VectorWish> wishes, uint32_t identities);

/// How many wired inputs `devices` get, at least 1. If there are more devices than inputs, they share them in turn.
constexpr size_t share_inputs(size_t devices, uint32_t identities) noexcept {
  return std::clamp<size_t>(devices, 1, std::max(identities, 1U));
}

}  // namespace rvvmm

// Who gets the interrupt identities of a machine with an AIA: there are 31 that work, whatever a guest is told.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rvvmm {

/// KVM's interrupt file in software has half of each 64 identities: those whose number modulo 64 is below 32
/// (docs/kvm-quirks.md, "Interrupt identities"). A guest that hands them out upward from 1 gets on with 31.
inline constexpr uint32_t kInterruptIdentities = 31;
/// Linux takes one on each hart for its interrupts between harts.
inline constexpr uint32_t kIdentitiesOfHarts = 1;

/// What is left beside so many wired inputs of the APLIC, each of which is forwarded as a message with an identity of
/// its own. For all harts together: a guest may have all its interrupts at one.
constexpr uint32_t identities_beside(size_t wired_inputs) noexcept {
  const size_t taken = kIdentitiesOfHarts + wired_inputs;
  return taken < kInterruptIdentities ? kInterruptIdentities - static_cast<uint32_t>(taken) : 0;
}

/// What a PCI device would like.
struct VectorWish {
  uint16_t vectors = 0;  ///< one for each queue and one for the configuration
  uint8_t rank = 0;      ///< lower ones come first
};

/// The smallest MSI-X table of use to a virtio driver: one for the configuration, one that all queues share.
inline constexpr uint16_t kSharedVectors = 2;

/// How large an MSI-X table each device gets, with no more vectors than identities in all: as many as it would like,
/// kSharedVectors, or 0, which leaves it its pin. First as many as possible get kSharedVectors, since a pin costs exits
/// for each interrupt; what is left makes tables whole.
std::vector<uint16_t> share_vectors(std::span<const VectorWish> wishes, uint32_t identities);

/// How many wired inputs so many devices get, at least 1; more devices than that share them in turn.
constexpr size_t share_inputs(size_t devices, uint32_t identities) noexcept {
  return std::clamp<size_t>(devices, 1, std::max(identities, 1U));
}

}  // namespace rvvmm

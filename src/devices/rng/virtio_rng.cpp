#include "devices/rng/virtio_rng.hpp"

#include <sys/random.h>

#include <algorithm>
#include <array>

namespace rvvmm {
namespace {

/// A longer request is filled in part, as the specification allows: so no call takes long.
constexpr size_t kMostRandomBytes = 256;

}  // namespace

bool VirtioRng::serve(uint16_t index, Virtqueue& queue) noexcept {
  std::array<std::byte, kMostRandomBytes> random{};
  for (uint16_t left = queue.size(); left > 0 && queue.pop(chain_); --left) {
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(chain_.writable_bytes(), random.size()));
    // Once the host has booted, getrandom() returns up to 256 bytes in full.
    const ssize_t got = ::getrandom(random.data(), wanted, 0);
    const auto bytes = std::span{random}.first(got < 0 ? 0 : static_cast<size_t>(got));
    queue.push(chain_, static_cast<uint32_t>(copy_to_buffers(chain_.writable(), 0, bytes)));
  }
  interrupt_if_wanted(index);
  return true;
}

}  // namespace rvvmm

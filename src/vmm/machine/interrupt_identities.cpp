#include "vmm/machine/interrupt_identities.hpp"

#include <numeric>

namespace rvvmm {

std::vector<uint16_t> share_vectors(std::span<const VectorWish> wishes, uint32_t identities) {
  std::vector<size_t> order(wishes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order, {}, [&](size_t device) { return wishes[device].rank; });
  std::vector<uint16_t> vectors(wishes.size());
  const auto raise = [&](size_t device, uint16_t to) {
    const uint32_t more = to - vectors[device];
    if (more > identities) return;
    identities -= more;
    vectors[device] = to;
  };
  for (const size_t device : order)
    raise(device, std::min(wishes[device].vectors, kSharedVectors));
  for (const size_t device : order) {
    if (vectors[device] != 0) raise(device, wishes[device].vectors);
  }
  return vectors;
}

}  // namespace rvvmm

// A hypervisor's doorbells: which there are, and stores that ring them.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/doorbell.hpp"

namespace rvvmm {

inline bool same_doorbell(const Doorbell& a, const Doorbell& b) noexcept {
  return a.at == b.at && a.width == b.width && a.match == b.match && a.eventfd == b.eventfd;
}

/// Refuses, as KVM does, a second one for the same stores. One thread.
class FakeDoorbellHost final : public DoorbellHost {
 public:
  bool add_doorbell(const Doorbell& doorbell) noexcept override {
    const bool taken = std::ranges::any_of(doorbells, [&](const Doorbell& other) {
      return other.at == doorbell.at && (other.width == doorbell.width || other.width == 0 || doorbell.width == 0) &&
             (!other.match || !doorbell.match || other.match == doorbell.match);
    });
    if (refuses || taken) return false;
    doorbells.push_back(doorbell);
    return true;
  }
  void remove_doorbell(const Doorbell& doorbell) noexcept override {
    const auto found =
        std::ranges::find_if(doorbells, [&](const Doorbell& other) { return same_doorbell(other, doorbell); });
    if (found == doorbells.end()) {
      ++wrong_removals;
      return;
    }
    doorbells.erase(found);
  }
  /// Whether that store of a guest rings one.
  bool ring(Gpa at, uint32_t width) const noexcept {
    for (const Doorbell& doorbell : doorbells) {
      if (doorbell.at != at || doorbell.width != width) continue;
      const uint64_t one = 1;
      return ::write(doorbell.eventfd, &one, sizeof one) == sizeof one;
    }
    return false;
  }

  bool refuses = false;
  int wrong_removals = 0;
  std::vector<Doorbell> doorbells;
};

}  // namespace rvvmm

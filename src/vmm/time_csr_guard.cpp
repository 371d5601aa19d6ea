#include "vmm/time_csr_guard.hpp"

#include <algorithm>

namespace rvvmm {
namespace {

// The guest sets the CSR in its first instructions, if it does at all: about a third of a second is enough to see it.
// After that the boot hart is a hart like the others, which may be stopped and started again.
constexpr uint32_t kBootHartLooks = 8;

}  // namespace

bool TimeCsrGuard::needed(VcpuBackend& secondary) noexcept {
  return secondary.get(HartRegister::kScounteren) == 0;
}

TimeCsrGuard::TimeCsrGuard(std::vector<VcpuThread*> harts)
    : harts_(std::move(harts)), seen_(std::make_shared<std::vector<std::atomic<Seen>>>(harts_.size())) {}

// The boot hart was given kAllCountersReadable: another value says that this guest knows to set it, as Linux does
// since 6.13.
TimeCsrGuard::Seen TimeCsrGuard::look_at_boot_hart(VcpuBackend& hart) noexcept {
  const auto value = hart.get(HartRegister::kScounteren);
  return value && *value != kAllCountersReadable ? Seen::kGuestsOwn : Seen::kRight;
}

TimeCsrGuard::Seen TimeCsrGuard::look_for_zero(VcpuBackend& hart) noexcept {
  if (hart.state() != HartState::kRunnable) return Seen::kStopped;
  const auto value = hart.get(HartRegister::kScounteren);
  if (!value || *value != 0) return Seen::kRight;
  // KVM may still owe the hart the reset of its start, which would wipe this out: not right until it is seen to stay.
  hart.set(HartRegister::kScounteren, kAllCountersReadable);
  return Seen::kMended;
}

std::optional<std::chrono::milliseconds> TimeCsrGuard::look() {
  if (seen_->front() == Seen::kGuestsOwn) return std::nullopt;
  const bool starting = std::ranges::any_of(*seen_, [](const auto& seen) { return seen == Seen::kMended; });
  interval_ = starting ? kSoon : std::min(interval_ * 2, kLater);
  for (size_t i = 0; i < harts_.size(); ++i) {
    const Seen before = (*seen_)[i].exchange(Seen::kAsked);
    // A hart that waits for a slow console does not get to its mailbox: one look at a time.
    if (before == Seen::kAsked) continue;
    // Found out since the look above.
    if (before == Seen::kGuestsOwn) {
      (*seen_)[i] = before;
      return std::nullopt;
    }
    const auto look_at = i == 0 && looks_ < kBootHartLooks ? look_at_boot_hart : look_for_zero;
    harts_[i]->post([seen = seen_, i, look_at](VcpuBackend& hart) { (*seen)[i] = look_at(hart); });
  }
  ++looks_;
  return interval_;
}

}  // namespace rvvmm

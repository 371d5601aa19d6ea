#include "vmm/harts/time_csr_guard.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/log.hpp"

namespace rvvmm {
namespace {

constexpr HartId kBootHart{0};
// A guest that sets the CSR does so in its first instructions, so about a third of a second of the boot hart is enough
// to see it. After that the boot hart is treated like the others, because it may have been stopped and started again.
constexpr uint32_t kBootHartLooks = 8;

}  // namespace

bool TimeCsrGuard::needed(VcpuBackend& secondary) noexcept {
  return secondary.get(HartRegister::kScounteren) == 0;
}

void TimeCsrGuard::begin() noexcept {
  timer_.emplace(CLOCK_THREAD_CPUTIME_ID);
  if (!*timer_) {
    log::line(log::Module::kVmm, log::Level::kWarn,
              "hart {}: no timer for its CPU time (errno {}, ulimit -i): programs of guests up to Linux 6.12 may die "
              "of SIGILL",
              hart_.value, errno);
  }
  timer_->arm_every(kSoon);
}

// rvvmm writes kAllCountersReadable and KVM writes zero. Any other value shows that the guest sets the CSR itself, as
// Linux does since 6.13. A zero shows the same on a boot hart that cannot have been started again yet.
bool TimeCsrGuard::is_guests_own(uint64_t scounteren) const noexcept {
  if (scounteren == 0) return hart_ == kBootHart && looks_ < kBootHartLooks;
  return scounteren != kAllCountersReadable;
}

void TimeCsrGuard::look(VcpuBackend& vcpu) noexcept {
  if (!interval_) return;
  if (guest_sets_it_) return end();
  if (vcpu.state() != HartState::kRunnable) return look_again_in(kSoon);
  const auto value = vcpu.get(HartRegister::kScounteren);
  if (!value) return;
  if (is_guests_own(*value)) {
    guest_sets_it_ = true;
    return end();
  }
  ++looks_;
  if (*value != 0) return look_again_in(std::min(*interval_ * 2, kLater));
  // KVM may do the reset of the hart's start only later. That would undo this write, so the next look comes soon.
  vcpu.set(HartRegister::kScounteren, kAllCountersReadable);
  look_again_in(kSoon);
}

void TimeCsrGuard::look_again_in(std::chrono::milliseconds interval) noexcept {
  if (interval_ == interval) return;
  interval_ = interval;
  if (timer_) timer_->arm_every(interval);
}

void TimeCsrGuard::end() noexcept {
  interval_.reset();
  timer_.reset();
}

}  // namespace rvvmm

#include "vmm/harts/time_csr_guard.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/log.hpp"

namespace rvvmm {
namespace {

constexpr HartId kBootHart{0};
// A guest sets the CSR in its first instructions, if it does at all: about a third of a second of the boot hart is
// enough to see it. After that the boot hart is one like the others, which may be stopped and started again.
constexpr uint32_t kBootHartLooks = 8;

}  // namespace

bool TimeCsrGuard::needed(VcpuBackend& secondary) noexcept {
  return secondary.get(HartRegister::kScounteren) == 0;
}

void TimeCsrGuard::begin() noexcept {
  timer_.emplace(CLOCK_THREAD_CPUTIME_ID);
  if (!*timer_) {
    log::line(log::Module::kVmm, log::Level::kWarn,
              "hart {}: no timer of its CPU time (errno {}, ulimit -i): programs of guests up to Linux 6.12 may die of "
              "SIGILL",
              hart_.value, errno);
  }
  timer_->arm_every(kSoon);
}

// rvvmm writes kAllCountersReadable, and KVM zero: any other value says that this guest knows to set it, as Linux does
// since 6.13. So does a zero on a boot hart that cannot have been started again yet.
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
  // KVM may still owe the hart the reset of its start, which would wipe this out: it is looked at again soon.
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

// The harts' states as SBI HSM defines them. KVM knows only two of them.
#pragma once

#include <condition_variable>
#include <functional>
#include <optional>
#include <vector>

#include "base/hart_control.hpp"
#include "base/hypervisor.hpp"
#include "base/inplace_vector.hpp"
#include "base/log.hpp"
#include "base/mapping.hpp"
#include "base/mutex.hpp"
#include "vmm/harts/vcpu_thread.hpp"

namespace rvvmm {

/// KVM knows whether a hart is stopped. Its own HSM may change that without telling rvvmm, so rvvmm asks KVM each time.
/// Only the hart's own thread can ask. This class keeps the other states. A suspended hart executes a few instructions
/// of rvvmm (wait_code()): so KVM does the waiting, and the hart makes a call when an interrupt has come.
///
/// HSM is not a hot path: one mutex serves all harts. It is not held during a wait for a hart.
class HartStates final : public HartControl {
 public:
  struct Parts {
    uint32_t harts;
    /// Maps a page of code at `wait_page` that the guest cannot write. Called at the first suspend, and again if that
    /// failed. False: the hypervisor refuses.
    std::function<bool(std::span<const std::byte>)> map_wait_page;
    Gpa wait_page;
    /// A hart is about to suspend the machine. After this call the hypervisor clears the hart's interrupt file, and
    /// on_interrupt() must be called for each interrupt. On the hart's own thread.
    std::function<void(HartId)> before_system_suspend;
    /// The interrupt file is cleared, and the machine sleeps until wake(). On the same thread; may call wake().
    std::function<void()> on_system_suspended;
    /// Must have wake() called after this number of ticks of the guest's time. On the same thread; may call wake().
    std::function<void(uint64_t ticks)> wake_in;
    /// The machine runs again, or it could not be suspended. On the same thread.
    std::function<void()> on_system_resumed;
    /// Runs a task on a hart's thread, outside the guest and after its current call is completed (VcpuThread::post).
    std::function<void(HartId, const VcpuTask&)> post;
  };

  explicit HartStates(Parts parts) : parts_(std::move(parts)), table_(parts_.harts) {}

  uint32_t harts() const noexcept override { return parts_.harts; }
  HsmState state(HartId asker, HartId target) noexcept override;
  bool start(HartId asker, HartId target, const HartEntry& entry) noexcept override;
  bool stop(HartId self) noexcept override;
  bool suspend(HartId self, const std::optional<HartEntry>& resume) noexcept override;
  bool resume(HartId self) noexcept override;
  bool suspend_system(HartId self, const HartEntry& resume) noexcept override;

  /// Ends the sleep of the machine. It takes effect from the suspend call on: a machine that still falls asleep wakes
  /// at once. False if the machine neither sleeps nor falls asleep. Any thread.
  bool wake() noexcept;
  /// An interrupt was raised. The sleeping hart's thread checks whether it is for this hart and enabled. Any thread,
  /// with a device's mutex held.
  void on_interrupt() noexcept;

  /// Guest time has stood still and goes on at `time` (ticks): the timer that ends the machine's sleep is set anew. The
  /// harts rest.
  void on_time_continues(uint64_t time) noexcept;

  /// Call it before the harts' threads are told to end: harts no longer wait for other harts, and nothing more is
  /// posted.
  void end() noexcept;

  /// The instructions that a suspended hart executes: they wait until an enabled interrupt is pending, then make the
  /// call Hsm::kResumeFid. They change t0, t1, a6 and a7.
  static std::span<const uint32_t> wait_code() noexcept;

 private:
  /// A hart asks for the state of a target hart. With `start_at` the target also starts there if it is stopped. The
  /// question is on the stack of the asking hart's thread, and in the target's list.
  struct Question {
    const HartEntry* start_at = nullptr;
    std::optional<HsmState> seen{};
    Question* next = nullptr;
  };

  /// A register that wait_code() or its set-up overwrites.
  struct Overwritten {
    HartRegister reg;
    uint64_t value;
  };

  /// The sleep of the machine: the hart that suspended it, how that hart continues, and the registers that the
  /// hypervisor's reset of the hart clears.
  struct SystemSleep {
    HartId hart;
    HartEntry resume;
    bool woken = false;
    bool look_posted = false;  ///< a look_for_interrupt() is already posted
    uint64_t scounteren = 0;
    uint64_t enabled = 0;  ///< sie
    uint64_t pending = 0;  ///< VcpuBackend::pending_interrupts()
    uint64_t time = 0;
    uint64_t timer_compare = kNoTimer;
  };

  struct Hart {
    /// kStarted: nothing is under way; KVM knows whether the hart is stopped.
    HsmState state = HsmState::kStarted;
    bool waits_for_another = false;  ///< the hart is in a call, so it counts as started
    Question* first_question = nullptr;
    bool answer_is_due = false;  ///< an answer() is posted
    std::optional<HartEntry> resume{};
    InplaceVector<Overwritten, 8> overwritten{};
  };

  Hart& at(HartId hart) noexcept REQUIRES(mu_) { return table_[hart.value]; }
  void add_question(HartId target, Question& question) noexcept REQUIRES(mu_);
  void take_back_question(HartId target, const Question& question) noexcept REQUIRES(mu_);
  HsmState ask(HartId asker, HartId target, const HartEntry* start_at) noexcept REQUIRES(mu_);
  void answer(HartId hart, VcpuBackend& vcpu) noexcept;
  void answer_that_it_runs(HartId hart) noexcept REQUIRES(mu_);
  void start_now(HartId hart, VcpuBackend& vcpu, const HartEntry& entry) noexcept;
  bool begin(HartId self, HsmState from, HsmState pending) noexcept REQUIRES(mu_);
  bool map_wait_page() noexcept REQUIRES(mu_);
  void log_refusal(HartId hart, const char* what) noexcept;
  void stop_now(HartId self, VcpuBackend& vcpu) noexcept;
  void suspend_now(HartId self, VcpuBackend& vcpu) noexcept;
  void resume_now(HartId self, VcpuBackend& vcpu) noexcept;
  void suspend_system_now(HartId self, VcpuBackend& vcpu) noexcept;
  void remember(VcpuBackend& vcpu) noexcept;
  bool fall_asleep(HartId self, VcpuBackend& vcpu) noexcept;
  void look_for_interrupt(VcpuBackend& vcpu) noexcept;
  void wait_for_timer() noexcept;
  void resume_system_soon() noexcept REQUIRES(mu_);
  void resume_system_now(VcpuBackend& vcpu) noexcept;

  const Parts parts_;
  Mutex mu_;
  std::condition_variable_any answered_;
  std::vector<Hart> table_ GUARDED_BY(mu_);
  Mapping wait_page_ GUARDED_BY(mu_);
  std::optional<SystemSleep> sleep_ GUARDED_BY(mu_);  // set from the suspend call on
  bool ended_ GUARDED_BY(mu_) = false;
  log::RateLimit refusals_{"refusals of KVM"};
  log::RateLimit no_wait_page_{"no page to wait in"};
};

}  // namespace rvvmm

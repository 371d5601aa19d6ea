// The states of the machine's harts, as SBI HSM has them, on top of the two that KVM knows.
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

/// KVM says whether a hart is stopped, and its own HSM may change that without a word; so it is asked each time, on the
/// hart's thread, which alone can. Here are the states in between, and the suspended harts: those execute a few
/// instructions of ours (wait_code()), so that KVM does the waiting, and make a call when an interrupt has come.
///
/// HSM is no hot path: one mutex serves all harts, and is never held while a hart is waited for.
class HartStates final : public HartControl {
 public:
  struct Parts {
    uint32_t harts;
    /// Maps a page of code that the guest cannot write, at `wait_page`; called once, at the first suspend. False where
    /// the hypervisor refuses.
    std::function<bool(std::span<const std::byte>)> map_wait_page;
    Gpa wait_page;
    /// A hart is about to suspend the machine: from when this returns on, on_interrupt() is called. The hypervisor
    /// clears the hart's interrupt file then. On the hart's own thread.
    std::function<void(HartId)> before_system_suspend;
    /// That is done, and the machine sleeps, until wake(). The same thread; may call wake().
    std::function<void()> on_system_suspended;
    /// Calls wake() when so many ticks of the guest's time have passed. As on_system_suspended().
    std::function<void(uint64_t ticks)> wake_in;
    /// It runs again, or on. The same thread.
    std::function<void()> on_system_resumed;
    /// Runs a task on a hart's thread, outside the guest and with no call of its in hand (VcpuThread::post).
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

  /// Ends the sleep of the machine; from the call that begins it on, and for good: a machine that still falls asleep
  /// does not stay so. False where there is no such call in hand. Any thread.
  bool wake() noexcept;
  /// An interrupt was raised that may be for the hart which sleeps, and may be enabled: it is looked at. Any thread,
  /// with a device's mutex held.
  void on_interrupt() noexcept;

  /// Before the harts' threads are told to end: who waits for another hart does so no longer, and nothing is posted any
  /// more.
  void end() noexcept;

  /// The instructions a suspended hart executes: they wait for an enabled interrupt to be pending, then make the call
  /// of Hsm::kResumeFid. They change t0, t1, a6 and a7.
  static std::span<const uint32_t> wait_code() noexcept;

 private:
  /// What a hart that runs wants to know of one that may not: its state, and shall it start where it is stopped. Lives
  /// where the one waits that asks, in a list of the one that is asked.
  struct Question {
    const HartEntry* start_at = nullptr;
    std::optional<HsmState> seen{};
    Question* next = nullptr;
  };

  /// What wait_code() and its set-up overwrite.
  struct Overwritten {
    HartRegister reg;
    uint64_t value;
  };

  /// Of the machine: the hart that suspended it, how that goes on, and what the reset behind the call takes from it.
  struct SystemSleep {
    HartId hart;
    HartEntry resume;
    bool woken = false;
    bool look_posted = false;  ///< on_interrupt() has nothing to add
    uint64_t scounteren = 0;
    uint64_t enabled = 0;  ///< sie
    uint64_t pending = 0;  ///< VcpuBackend::pending_interrupts()
    uint64_t time = 0;
    uint64_t timer_compare = kNoTimer;
  };

  struct Hart {
    /// kStarted: nothing is under way, and whether the hart is stopped KVM knows.
    HsmState state = HsmState::kStarted;
    bool waits_for_another = false;  ///< so it runs, whatever it is asked
    Question* first_question = nullptr;
    bool answer_is_due = false;  ///< it has been asked to come and answer
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
  std::optional<SystemSleep> sleep_ GUARDED_BY(mu_);  // from the call on that begins it
  bool ended_ GUARDED_BY(mu_) = false;
  log::RateLimit refusals_{"refusals of KVM"};
  log::RateLimit no_wait_page_{"no page to wait in"};
};

}  // namespace rvvmm

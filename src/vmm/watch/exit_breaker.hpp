// --break: stops the machine at selected exits.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/hypervisor.hpp"
#include "base/mutex.hpp"
#include "observe/exit_line.hpp"
#include "observe/exit_matcher.hpp"
#include "observe/hart_registers.hpp"
#include "vmm/harts/vcpu_thread.hpp"
#include "vmm/options/config.hpp"

namespace rvvmm {

/// When a hart stops at an exit, the machine is paused: that hart's exit is answered and completed, and all harts rest.
/// `--on-break` chooses what happens next: a prompt on the main thread, or a few lines of text. A hart that does not
/// come to rest soon, because it is busy in a device or a call, is shown without registers.
class ExitBreaker {
 public:
  /// `config.breaks` must be set. Throws SetupError (kUsage).
  explicit ExitBreaker(const Config& config);

  /// Functions of the machine whose harts are stopped. Used until let_go().
  struct Control {
    /// Pauses the machine: no hart enters the guest again. on_paused() is called on the loop's thread then, also if the
    /// machine is paused already. Any thread.
    std::function<void()> pause = [] {};
    /// The machine goes on. Any thread.
    std::function<void()> resume = [] {};
    /// Whether the hart rests, so that its vCPU can be used. The loop's thread.
    std::function<bool(HartId)> rests = [](HartId) { return true; };
    /// Lets the hart rest in its exit until the machine goes on. The hart's thread.
    std::function<void(HartId)> rest_in_exit = [](HartId) {};
    /// VcpuThread::post.
    std::function<void(HartId, const VcpuTask&)> post = [](HartId, const VcpuTask&) {};
    /// Ends the machine with this status.
    std::function<void(int)> stop = [](int) {};
  };
  struct Machine {
    std::span<const std::unique_ptr<VcpuBackend>> vcpus;  ///< by hart
    const DeviceNames& devices;
    Control control;
  };
  /// Called before the harts of a machine run; time 0 is `start`. Throws SetupError (kUsage) if a break names a device
  /// that the machine does not have.
  void begin(Machine machine, uint64_t start, uint64_t timebase_hz);
  /// Called before the harts are told to end: from here on no hart waits for the reader of stderr. Any thread.
  void limit_waits() noexcept { machine_ends_ = true; }
  /// Called when the harts have been told to end: no task is posted any more. Any thread.
  void let_go() noexcept;
  /// The machine is paused, or a hart keeps it waiting. The loop's thread.
  void on_paused();

  /// Tells that there is a terminal for a prompt. `on_stop` is called when a hart has stopped for the prompt. The
  /// loop's thread; called before begin().
  void set_prompt(std::function<void()> on_stop) { on_stop_ = std::move(on_stop); }
  /// Without --on-break: kPrompt if there is a terminal, else kDump.
  OnBreak on_break() const noexcept { return choice_.value_or(on_stop_ ? OnBreak::kPrompt : OnBreak::kDump); }

  /// Called on the hart's thread, as in ExitObserver. Interruptions by signals do not match a break. System events are
  /// checked only before they are answered: afterwards the machine may no longer exist.
  void on_exit(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) noexcept {
    if (exit.kind != ExitKind::kSystemEvent) look_at(hart, vcpu, exit);
  }
  void before_system_event(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) noexcept {
    if (look_at(hart, vcpu, exit)) rest_in_exit(hart);
  }

  /// A hart that has stopped, and the registers of all harts.
  struct Stop {
    HartId hart;
    std::string line;  ///< the reason and the exit
    /// By hart; empty: the hart has not stopped yet. Of the hart that stopped, as they were at its exit.
    std::vector<std::vector<NamedRegister>> registers;
  };
  /// nullopt: no hart has stopped. The loop's thread.
  std::optional<Stop> stopped();
  bool is_stopped() noexcept;
  /// The harts go on; with `step` until the next exit of any hart. If another hart has reached a break too, it is that
  /// hart's turn instead.
  void resume(bool step) noexcept;

 private:
  /// True if the machine pauses for it.
  bool look_at(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) noexcept;
  void rest_in_exit(HartId hart) noexcept;
  /// False: the machine has ended before.
  bool stop_at(HartId hart, const std::string& line, std::vector<NamedRegister> registers);
  void begin_stop(Stop stop) REQUIRES(mu_);
  void gather() REQUIRES(mu_);
  void show(uint64_t number) noexcept;
  void end_stop() noexcept REQUIRES(mu_);
  std::string line_of(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) const;

  const std::optional<OnBreak> choice_;
  ExitMatcher matcher_;
  std::function<void()> on_stop_;
  uint64_t start_ = 0;
  TickScale ticks_{1};
  const DeviceNames* devices_ = nullptr;
  std::atomic<bool> stepping_ = false;
  std::atomic<bool> machine_ends_ = false;

  Mutex mu_;
  std::optional<Machine> machine_ GUARDED_BY(mu_);  // nullopt: the machine ends, or has not begun
  std::optional<Stop> stop_ GUARDED_BY(mu_);
  std::vector<Stop> waiting_ GUARDED_BY(mu_);  // of harts that reached a break at the same time
  uint64_t stops_ GUARDED_BY(mu_) = 0;         // number of stops so far: a task for an earlier stop does nothing
  uint64_t acted_on_ GUARDED_BY(mu_) = 0;      // the number of the last stop for which --on-break was obeyed
  uint64_t shown_ GUARDED_BY(mu_) = 0;         // the number of the last stop that the user has seen
};

/// The text of `--on-break dump` and `exit`: the exit, then the registers of all harts.
std::string stop_to_text(const ExitBreaker::Stop& stop);
/// The part of that text for one hart, which must exist.
std::string hart_to_text(const ExitBreaker::Stop& stop, size_t hart);

}  // namespace rvvmm

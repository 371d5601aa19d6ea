// --break: stops the machine at selected exits.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <optional>
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

/// When one hart stops, all other harts stop too: running harts leave the guest and wait on their own threads, with no
/// unfinished exit. ExitBreaker waits at most kPatience for a hart that is busy in a device or a call; that hart stops
/// when it has finished. `--on-break` chooses what happens next: a prompt on the main thread, or a few lines of text.
class ExitBreaker {
 public:
  static constexpr std::chrono::seconds kPatience{1};

  /// `config.breaks` must be set. Throws SetupError (kUsage).
  explicit ExitBreaker(const Config& config);

  /// Functions of the machine whose harts are stopped. Used until let_go().
  struct Control {
    /// VcpuThread::post.
    std::function<void(HartId, const VcpuTask&)> post = {};
    /// Ends the machine with this status.
    std::function<void(int)> stop = {};
  };
  struct Machine {
    uint32_t harts;
    const DeviceNames& devices;
    Control control;
  };
  /// Called before the harts of a machine run; time 0 is `start`. Throws SetupError (kUsage) if a break names a device
  /// that the machine does not have.
  void begin(Machine machine, uint64_t start, uint64_t timebase_hz);
  /// Called before the harts are told to end: from here on no hart waits for the reader of stderr. Any thread.
  void limit_waits() noexcept { machine_ends_ = true; }
  /// Called when the harts have been told to end: stopped harts go on, and no task is posted any more. Any thread.
  void let_go() noexcept;

  /// Tells that there is a terminal for a prompt. `on_stop` is called when a hart has stopped for the prompt, on the
  /// hart's thread; it must not throw. Called before begin().
  void set_prompt(std::function<void()> on_stop) { on_stop_ = std::move(on_stop); }
  /// Without --on-break: kPrompt if there is a terminal, else kDump.
  OnBreak on_break() const noexcept { return choice_.value_or(on_stop_ ? OnBreak::kPrompt : OnBreak::kDump); }

  /// Called on the hart's thread, as in ExitObserver. Interruptions by signals do not match a break. System events are
  /// checked only before they are answered: afterwards the machine may no longer exist.
  void on_exit(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) noexcept {
    if (exit.kind != ExitKind::kSystemEvent) look_at(hart, vcpu, exit);
  }
  void before_system_event(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) noexcept {
    look_at(hart, vcpu, exit);
  }

  /// A hart that has stopped, and the registers of all harts.
  struct Stop {
    HartId hart;
    std::string line;                                   ///< the reason and the exit
    std::vector<std::vector<NamedRegister>> registers;  ///< by hart; empty: the hart has not stopped yet
  };
  /// nullopt: no hart has stopped. Any thread.
  std::optional<Stop> stopped();
  bool is_stopped() noexcept;
  /// The harts go on; with `step` until the next exit of any hart. Any thread.
  void resume(bool step) noexcept;

 private:
  void look_at(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) noexcept;
  /// False: the machine has ended before.
  bool stop_at(HartId hart, const std::string& line, std::vector<NamedRegister> registers);
  void park(HartId hart, VcpuBackend& vcpu, uint64_t number) noexcept;
  void park_others(HartId hart) REQUIRES(mu_);
  /// Returns false in the same case as stop_at().
  bool act(uint64_t number) REQUIRES(mu_);
  void show_stop() noexcept REQUIRES(mu_);
  void wait_for_end_of(uint64_t number) noexcept REQUIRES(mu_);
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
  std::condition_variable_any changed_;
  std::optional<Machine> machine_ GUARDED_BY(mu_);  // nullopt: the machine ends, or has not begun
  std::optional<Stop> stop_ GUARDED_BY(mu_);
  uint64_t stops_ GUARDED_BY(mu_) = 0;      // number of stops so far: a task for an earlier stop does nothing
  uint64_t looked_at_ GUARDED_BY(mu_) = 0;  // the number of the last stop that stopped() returned
};

/// The text of `--on-break dump` and `exit`: the exit, then the registers of all harts.
std::string stop_to_text(const ExitBreaker::Stop& stop);
/// The part of that text for one hart, which must exist.
std::string hart_to_text(const ExitBreaker::Stop& stop, size_t hart);

}  // namespace rvvmm

// --break: stops the machine at an exit that somebody wants to look at.
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

/// One hart stops, all others are stopped for it: those that run leave the guest and wait on their own threads, with no
/// exit in hand. A hart that is busy in a device or a call meanwhile is not waited for longer than kPatience; it stops
/// when it has done. What happens next is `--on-break`'s business: a prompt on the main thread, or a few lines.
class ExitBreaker {
 public:
  static constexpr std::chrono::seconds kPatience{1};

  /// `config` has breaks. Throws SetupError (kUsage).
  explicit ExitBreaker(const Config& config);

  /// What it asks of the machine whose harts it stops, until let_go().
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
  /// Before the harts of a machine run; time 0 is `start`. Throws SetupError (kUsage) where a break names a device that
  /// there is not.
  void begin(Machine machine, uint64_t start, uint64_t timebase_hz);
  /// Before they are told to end: nobody waits for who reads stderr any more. Any thread.
  void limit_waits() noexcept { machine_ends_ = true; }
  /// When they have been told: nobody waits any more, nothing is posted any more. Any thread.
  void let_go() noexcept;

  /// There is a terminal to ask at: `on_stop` is called when a hart has stopped for that, on its thread, and must not
  /// throw. Before begin().
  void set_prompt(std::function<void()> on_stop) { on_stop_ = std::move(on_stop); }
  /// Where nobody has said what to do at a break, it is to ask if there is a terminal.
  OnBreak on_break() const noexcept { return choice_.value_or(on_stop_ ? OnBreak::kPrompt : OnBreak::kDump); }

  /// On the hart's thread, as ExitObserver has it. What comes of a signal is none to stop at. Ends of the machine are
  /// only looked at before they are answered: afterwards there is no machine to look at.
  void on_exit(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) noexcept {
    if (exit.kind != ExitKind::kSystemEvent) look_at(hart, vcpu, exit);
  }
  void before_system_event(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) noexcept {
    look_at(hart, vcpu, exit);
  }

  /// A hart that has stopped, and what it and the others had in their registers.
  struct Stop {
    HartId hart;
    std::string line;                                   ///< why, and at which exit
    std::vector<std::vector<NamedRegister>> registers;  ///< by hart; empty: it has not stopped yet
  };
  /// nullopt: none has. Any thread.
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
  /// False as stop_at().
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
  std::optional<Machine> machine_ GUARDED_BY(mu_);  // none: it ends, or has not begun
  std::optional<Stop> stop_ GUARDED_BY(mu_);
  uint64_t stops_ GUARDED_BY(mu_) = 0;      // so far: a task posted for an earlier one has nothing to do
  uint64_t looked_at_ GUARDED_BY(mu_) = 0;  // the last of these that somebody asked for by stopped()
};

/// What `--on-break dump` and `exit` show, and the prompt at its beginning: the exit, then the registers of all harts.
std::string stop_to_text(const ExitBreaker::Stop& stop);
/// One hart of these, which there is.
std::string hart_to_text(const ExitBreaker::Stop& stop, size_t hart);

}  // namespace rvvmm

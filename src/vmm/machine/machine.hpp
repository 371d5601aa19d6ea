// One power-on of the machine: a new VM and new vCPUs on the guest's RAM, until the guest shuts down or resets.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/boot_marks.hpp"
#include "base/guest_log.hpp"
#include "base/guest_memory.hpp"
#include "base/hypervisor.hpp"
#include "devices/console/virtio_console.hpp"
#include "sbi/sbi_dispatcher.hpp"
#include "vmm/boot/boot_images.hpp"
#include "vmm/console/console_hub.hpp"
#include "vmm/harts/hart_states.hpp"
#include "vmm/harts/vcpu_thread.hpp"
#include "vmm/harts/wake_timer.hpp"
#include "vmm/host/event_loop.hpp"
#include "vmm/machine/board.hpp"
#include "vmm/machine/input_watch.hpp"
#include "vmm/machine/interrupt_gate.hpp"
#include "vmm/machine/machine_control.hpp"
#include "vmm/machine/made_vm.hpp"
#include "vmm/machine/vm_io.hpp"
#include "vmm/options/config.hpp"
#include "vmm/watch/exit_watch.hpp"
#include "vmm/watch/flight_recorder.hpp"
#include "vmm/watch/panic_watch.hpp"

namespace rvvmm {

class Machine final : private MachineListener, private FinishListener {
 public:
  struct Parts {
    const Config& config;
    Hypervisor& hypervisor;
    const GuestMemory& memory;
    const BootImages& images;
    ConsoleHub& console;
    EventLoop& loop;
    BootMarks& boot_marks;
    GuestLog& guest_log;
    uint64_t& rtc_offset;  ///< of the guest's clock (GoldfishRtcState): read at the start, written back by stop()
    std::span<VirtioDevice* const> virtio = {};
    VirtioConsole* virtio_console = nullptr;    ///< one of `virtio`; takes input before others do
    ExitWatch* exit_watch = nullptr;            ///< null: exits are not watched
    FlightRecorder* flight_recorder = nullptr;  ///< null: no flight record is written
    PanicWatch* panic_watch = nullptr;          ///< null: the console is not searched for a panic
    /// Keeps the VM of a destroyed machine until the next VM exists, because the kernel patches its own code when a
    /// host's first VM is made and when its last VM goes (docs/kvm-quirks.md). Must outlive the machine, and must be
    /// destroyed before the memory. null: a VM goes with its machine.
    std::unique_ptr<VmBackend>* former_vm = nullptr;
  };

  /// Does everything before the first entry into the guest. `irqchip_kinds`: the kinds to try, best first. Kinds that
  /// the host refuses are removed, so that the next machine does not try them again. Throws SetupError.
  Machine(const Parts& parts, std::vector<IrqchipKind>& irqchip_kinds);
  /// Stops the harts.
  ~Machine() override;
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// The tree that the guest gets.
  const DeviceTree& device_tree() const noexcept { return device_tree_; }

  /// Starts the harts. The boot hart starts last, immediately after a call of `before_boot`. When the machine ends, it
  /// stops the event loop. Throws SetupError.
  void start(const std::function<void()>& before_boot = [] {});
  /// Returns when no hart runs any more.
  void stop() noexcept;

  /// Writes the flight record; `why` is the reason. Returns one line for the user, or nothing. Also while harts run.
  /// Main thread only.
  std::string write_flight_record(std::string_view why);
  /// The reason for a flight record; empty if the guest did not fail. After stop(), or while PauseOwner::kPanic keeps
  /// the machine paused (OnPanic::kStop).
  std::string_view failure() const noexcept { return failure_; }
  /// True if failure() is a panic, not a fault. At the same times.
  bool panicked() const noexcept { return panicked_; }
  /// The hart that panicked first, and the registers of all harts that rest. At the same times.
  ExitBreaker::Stop standstill();

  /// Has the exit watch gather what was counted for this machine. After stop(), once.
  void report_exits();

  /// Ends the sleep of a guest that has suspended the machine; otherwise does nothing. While the machine is paused, it
  /// takes effect when the machine goes on. Main thread only.
  void wake() noexcept;

  MachineControl& control() noexcept { return control_; }

  /// The text to print after a fault: one line that names the fault, then registers. nullopt: no fault. After stop().
  const std::optional<std::string>& fault_report() const noexcept { return fault_report_; }

 private:
  /// Console input ends the machine's sleep.
  class ConsoleWake final : public ConsoleListener {
   public:
    explicit ConsoleWake(HartStates& harts) noexcept : harts_(harts) {}
    void on_console_input() noexcept override { harts_.wake(); }

   private:
    HartStates& harts_;
  };
  class RtcAlarm final : public AlarmTimer {
   public:
    explicit RtcAlarm(Machine& machine);
    void arm(std::optional<std::chrono::nanoseconds> wall_deadline) noexcept override;
    /// An alarm during the pause is raised now.
    void on_resume();

   private:
    void on_expiry();

    Machine& machine_;
    bool is_due_ = false;
    Timer timer_;
  };

  ConsoleSource& uart_input() noexcept {
    if (parts_.virtio_console == nullptr) return parts_.console;
    return parts_.virtio_console->input_without_driver();
  }
  DeviceTree make_device_tree(const std::optional<GpaRange>& initrd) const;
  void load();
  void make_threads();
  ExitBreaker::Control breaker_control();
  void post(HartId hart, const VcpuTask& task) noexcept;
  void on_system_suspended() noexcept;
  void on_system_resumed() noexcept;

  void on_system_event(HartId hart, const SystemEvent& event) noexcept override;
  void on_vcpu_fault(HartId hart, std::string report) noexcept override;
  void on_hart_rests() noexcept override { control_.on_hart_rests(); }
  void on_resume(std::optional<uint64_t> time);
  void on_finish(FinishRequest request) noexcept override;
  /// True for the first caller. Harts run on for a moment after the report that ends the machine; their later reports
  /// are dropped.
  bool claim_report() noexcept { return !reported_.exchange(true); }
  void end_by_fault(std::string report) noexcept;
  void end_by_panic(std::string_view why, OnPanic what) noexcept;
  void end_by_panic_line() noexcept;
  bool has_said_that_it_panicked() const noexcept;
  bool guest_is_stopped() const noexcept;
  void reset_or_exit() noexcept;
  void exit(int status) noexcept;

  Parts parts_;
  MadeVm vm_;
  RtcAlarm rtc_alarm_;
  WakeTimer wake_timer_;
  HartStates hart_states_;
  InterruptGate interrupts_;
  MachineControl control_;
  Board board_;  // after the members that its devices' interrupts reach
  ConsoleWake console_wake_{hart_states_};
  SbiDispatcher sbi_;
  VmIo io_;
  DeviceTree device_tree_;
  std::atomic<bool> reported_ = false;
  std::string_view failure_;                 // like fault_report_
  bool panicked_ = false;                    // like fault_report_
  HartId panicked_hart_{0};                  // like fault_report_
  std::optional<std::string> fault_report_;  // written by the thread that reported first, read after stop()
  std::atomic<bool> guest_sets_time_csr_ = false;
  std::vector<std::unique_ptr<VcpuThread>> threads_;
  std::optional<InputWatch> input_watch_;
  bool wake_is_due_ = false;
  bool timer_is_due_ = false;  // of a machine that sleeps; during a pause
  log::RateLimit suspends_{"suspends"};
};

}  // namespace rvvmm

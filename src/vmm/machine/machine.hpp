// One power-on of the machine: a new VM and vCPUs over the guest's RAM, until it is shut down or reset.
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
    uint64_t& rtc_offset;  ///< of the guest's clock (GoldfishRtcState): this machine takes it over and leaves it
    std::span<VirtioDevice* const> virtio = {};
    VirtioConsole* virtio_console = nullptr;    ///< one of `virtio`; takes input before others do
    ExitWatch* exit_watch = nullptr;            ///< null: nobody watches the exits
    FlightRecorder* flight_recorder = nullptr;  ///< null: what harts did last is written nowhere
    PanicWatch* panic_watch = nullptr;          ///< null: the guest's console says nothing about a panic
    /// Where the VM waits when its machine is gone, for the next one to be there: the kernel patches its own code for
    /// the first VM of a host and behind the last (docs/kvm-quirks.md). Outlives the machine; goes before the memory.
    /// null: a VM goes with its machine.
    std::unique_ptr<VmBackend>* former_vm = nullptr;
  };

  /// Everything up to, not including, the first entry into the guest. `irqchip_kinds`: what to try, best first;
  /// what the host refused is taken out, so that the next machine does not ask again. Throws SetupError.
  Machine(const Parts& parts, std::vector<IrqchipKind>& irqchip_kinds);
  /// Stops the harts.
  ~Machine() override;
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  /// The tree that the guest gets.
  const DeviceTree& device_tree() const noexcept { return device_tree_; }

  /// Starts the harts, the boot hart last and right behind a call of `before_boot`. What ends the machine stops the
  /// event loop. Throws SetupError.
  void start(const std::function<void()>& before_boot = [] {});
  /// Returns when no hart runs any more.
  void stop() noexcept;

  /// Has what the harts did last written, for `why`; what to tell the user of it, in one line, or nothing. Also while
  /// harts run. The main thread.
  std::string write_flight_record(std::string_view why);
  /// After stop(): why that is worth doing; empty where the guest did not fail.
  std::string_view failure() const noexcept { return failure_; }
  /// Whether that is a panic, and not a fault. After stop().
  bool panicked() const noexcept { return panicked_; }
  /// After stop(): the machine as it stands, the hart that panicked first in mind.
  ExitBreaker::Stop standstill();

  /// Gives the watch what it has counted. After stop(), once.
  void report_exits();

  /// Ends the sleep of a guest that has suspended the machine; else nothing. Any thread.
  void wake() noexcept { hart_states_.wake(); }

  /// What to print after a fault: one line that names it, then registers; nullopt without one. After stop().
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

   private:
    Timer timer_;
  };

  ConsoleSource& uart_input() noexcept {
    if (parts_.virtio_console == nullptr) return parts_.console;
    return parts_.virtio_console->input_without_driver();
  }
  DeviceTree make_device_tree(const std::optional<GpaRange>& initrd) const;
  void load();
  void make_threads();
  void post(HartId hart, const VcpuTask& task) noexcept;
  void on_system_suspended() noexcept;
  void on_system_resumed() noexcept;

  void on_system_event(HartId hart, const SystemEvent& event) noexcept override;
  void on_vcpu_fault(HartId hart, std::string report) noexcept override;
  void on_finish(FinishRequest request) noexcept override;
  /// True for the first caller: harts run on for a moment after the report that ends the machine, and what they report
  /// then is neither this machine's end nor the next one's.
  bool claim_report() noexcept { return !reported_.exchange(true); }
  void end_by_fault(std::string report) noexcept;
  void end_by_panic(std::string_view why, OnPanic what) noexcept;
  void end_by_panic_line() noexcept;
  bool has_said_that_it_panicked() const noexcept;
  bool is_at_a_break() const noexcept;
  void reset_or_exit() noexcept;
  void exit(int status) noexcept;

  Parts parts_;
  MadeVm vm_;
  RtcAlarm rtc_alarm_;
  WakeTimer wake_timer_;
  HartStates hart_states_;
  InterruptGate interrupts_;
  Board board_;  // behind what its devices' interrupts reach
  ConsoleWake console_wake_{hart_states_};
  SbiDispatcher sbi_;
  VmIo io_;
  DeviceTree device_tree_;
  std::atomic<bool> reported_ = false;
  std::string_view failure_;                 // as fault_report_
  bool panicked_ = false;                    // as fault_report_
  HartId panicked_hart_{0};                  // as fault_report_
  std::optional<std::string> fault_report_;  // written by the hart whose report was the first, read after stop()
  std::atomic<bool> guest_sets_time_csr_ = false;
  std::vector<std::unique_ptr<VcpuThread>> threads_;
  std::optional<InputWatch> input_watch_;
  log::RateLimit suspends_{"suspends"};
};

}  // namespace rvvmm

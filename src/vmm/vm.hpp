// The virtual machine while rvvmm runs: its RAM and its files, and one Machine after another that uses them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/guest_log.hpp"
#include "base/guest_memory.hpp"
#include "base/hypervisor.hpp"
#include "vmm/boot/boot_images.hpp"
#include "vmm/console/console_hub.hpp"
#include "vmm/host/event_loop.hpp"
#include "vmm/machine/machine.hpp"
#include "vmm/machine/virtio_devices.hpp"
#include "vmm/options/config.hpp"
#include "vmm/surroundings.hpp"
#include "vmm/watch/boot_timeline.hpp"

namespace rvvmm {

class Vm {
 public:
  /// Opens the files and maps the RAM. All arguments must outlive the Vm. Throws SetupError.
  Vm(const Config& config, Hypervisor& hypervisor, BootTimeline& timeline);

  /// Boots the guest, and boots it again after each reset, until something ends it. Returns the exit status of the
  /// process (docs/exit-codes.md). The terminal is raw meanwhile; it is restored before this returns or throws
  /// SetupError.
  int run();

  /// --dump-dtb: writes the tree that the guest would get.
  void dump_device_tree(const std::string& path);

 private:
  Machine::Parts machine_parts(ConsoleHub& console, EventLoop& loop, PanicWatch* panic_watch);
  /// One boot. When it returns, no device uses RAM any more.
  StopReason boot_machine(Surroundings& around);
  StopReason run_machine(Surroundings& around, Machine& machine);
  static StopReason run_loop(Surroundings& around, Machine& machine);
  /// The text for the user about a machine that has failed; writes its flight record.
  static std::string failure_text(Machine& machine, Surroundings& around, bool ends_by_fault);
  /// --on-panic stop: shows the machine, which is paused until somebody ends rvvmm.
  static void show_panic(Surroundings& around, Machine& machine);
  /// SIGUSR1: writes the flight record while harts run.
  static void dump(Machine& machine);
  int run_machines(Surroundings& around);

  const Config& config_;
  Hypervisor& hypervisor_;
  BootTimeline& timeline_;
  GuestLog guest_log_;
  std::vector<IrqchipKind> irqchip_kinds_;  ///< kinds that this host has not refused, best first
  uint64_t rtc_offset_ = 0;
  BootImages images_;
  GuestMemory memory_;
  std::unique_ptr<VmBackend> former_vm_;  ///< of the previous machine; see Machine::Parts
  VirtioDevices virtio_;
  ExitWatch exit_watch_;
  FlightRecorder flight_recorder_;
  std::string failure_;  // text to print once the terminal is restored
  log::RateLimit failures_{"failures of the guest"};
};

}  // namespace rvvmm

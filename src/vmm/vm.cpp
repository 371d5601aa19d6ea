#include "vmm/vm.hpp"

#include <unistd.h>

#include <cstdio>
#include <format>

#include "base/error.hpp"
#include "base/log.hpp"
#include "vmm/board.hpp"
#include "vmm/break_prompt.hpp"
#include "vmm/cpu_affinity.hpp"
#include "vmm/host_limits.hpp"
#include "vmm/machine.hpp"
#include "vmm/option_values.hpp"
#include "vmm/sbi_list.hpp"
#include "vmm/signals.hpp"
#include "vmm/terminal.hpp"

namespace rvvmm {
namespace {

std::vector<IrqchipKind> kinds_for(IrqchipChoice choice, const Hypervisor& hypervisor) {
  std::vector<IrqchipKind> kinds;
  if (choice != IrqchipChoice::kPlic) {
    if (hypervisor.interrupt_files_wake_harts()) kinds.push_back(IrqchipKind::kAiaHardware);
    kinds.push_back(IrqchipKind::kAiaEmulated);
  }
  if (choice != IrqchipChoice::kAia) kinds.push_back(IrqchipKind::kPlic);
  return kinds;
}

void check_against_host(const Config& config, Hypervisor& hypervisor) {
  const uint32_t most = hypervisor.max_vcpus();
  if (config.smp > most) {
    throw SetupError{ExitStatus::kUsage, std::format("--smp {}: KVM allows at most {} vCPUs here", config.smp, most)};
  }
  make_room_for_descriptors(config.smp, VirtioDevices::descriptors(config));
  check_cpu_affinity(config.cpu_affinity);
  check_sbi_choices(hypervisor, config.sbi);
}

}  // namespace

Vm::Vm(const Config& config, Hypervisor& hypervisor, BootTimeline& timeline)
    : config_((check_against_host(config, hypervisor), config)),
      hypervisor_(hypervisor),
      timeline_(timeline),
      images_(config),
      memory_(kRamBase, config.mem_bytes, config.ram),
      virtio_(config),
      exit_watch_(config),
      flight_recorder_(config),
      irqchip_kinds_(kinds_for(config.irqchip, hypervisor)) {}

int Vm::run() {
  EventLoop loop;
  std::optional<std::string> fault;
  int status = 0;
  {
    // Before the terminal is raw: these may fail, and say something, and an ending signal must find it served.
    const std::unique_ptr<ConsolePlace> place = open_console_place(config_.console);
    Terminal terminal{place->terminal_fd()};
    const bool asks = asks_at_breaks(terminal);
    Signals signals{loop, terminal};
    terminal.enter_raw();
    std::optional<Notifier> output_room;  // the console's thread uses it
    ConsoleHub console{place->output_fd(), place->reader()};
    const auto on_resize = add_virtio_console(loop, *place, console, output_room);
    signals.set_on_resize(on_resize);
    std::optional<BreakPrompt> prompt;
    if (asks) {
      prompt.emplace(BreakPrompt::Parts{.loop = loop,
                                        .terminal = terminal,
                                        .console = console,
                                        .memory = memory_,
                                        .breaker = *exit_watch_.breaker()});
    }
    const auto input = place->take_input({.loop = loop,
                                          .terminal = terminal,
                                          .console = console,
                                          .on_resize = on_resize,
                                          .taker = prompt ? &*prompt : nullptr});
    VcpuThread::install_kick_handler();
    // The harts have descriptors of their own (VcpuThread), which a thread started by one of them would share.
    Notifier first_output{loop, [&console] { console.launch(); }};
    console.start([&first_output] { first_output.notify(); });
    const auto doorbells = virtio_.watch_doorbells(loop);
    status = run_machines(loop, signals, console, fault);
  }
  if (fault) std::fputs(("rvvmm: " + *fault).c_str(), stderr);
  if (!flight_record_.empty()) std::fputs(std::format("rvvmm: {}\n", flight_record_).c_str(), stderr);
  exit_watch_.finish();
  return status;
}

bool Vm::asks_at_breaks(const Terminal& terminal) {
  if (exit_watch_.breaker() == nullptr || config_.on_break.value_or(OnBreak::kPrompt) != OnBreak::kPrompt) return false;
  if (terminal.is_terminal() || !config_.on_break) return terminal.is_terminal();
  throw usage("--on-break: prompt: the guest's console is on no terminal; give continue, dump or exit");
}

std::function<void()> Vm::add_virtio_console(EventLoop& loop, const ConsolePlace& place, ConsoleHub& console,
                                             std::optional<Notifier>& output_room) {
  if (config_.console.device != ConsoleDevice::kVirtio) return [] {};
  virtio_.add_console({.out = console, .in = console, .has_size = place.size().has_value()});
  VirtioConsole& device = *virtio_.console();
  output_room.emplace(loop, [&device] { device.on_output_room(); });
  console.set_on_output_room([&output_room] { output_room->notify(); });
  const auto look_at_size = [&device, &place] { device.set_size(place.size().value_or(ConsoleSize{})); };
  look_at_size();
  return look_at_size;
}

int Vm::run_machines(EventLoop& loop, Signals& signals, ConsoleHub& console, std::optional<std::string>& fault) {
  signals.set_in_loop(false);
  for (;;) {
    const StopReason reason = run_machine(loop, signals, console, fault);
    // Only now: the devices of that machine had its last words, and its RAM.
    console.flush();
    console.limit_waits(false);
    if (reason.kind == StopReason::Kind::kExit) {
      timeline_.record_end();
      return reason.status;
    }
    timeline_.record("reset");
    memory_.discard();
  }
}

Machine::Parts Vm::machine_parts(ConsoleHub& console, EventLoop& loop) {
  return {.config = config_,
          .hypervisor = hypervisor_,
          .memory = memory_,
          .images = images_,
          .console = console,
          .loop = loop,
          .boot_marks = timeline_,
          .guest_log = guest_log_,
          .virtio = virtio_.all(),
          .virtio_console = virtio_.console(),
          .exit_watch = &exit_watch_,
          .flight_recorder = &flight_recorder_};
}

StopReason Vm::run_machine(EventLoop& loop, Signals& signals, ConsoleHub& console, std::optional<std::string>& fault) {
  Machine machine{machine_parts(console, loop), irqchip_kinds_};
  machine.start([this] { timeline_.record("harts run"); });
  signals.set_on_wake([&machine] { machine.wake(); });
  signals.set_on_power_key([this, &machine] {
    if (!virtio_.press_power_key()) return false;
    machine.wake();
    return true;
  });
  signals.set_on_dump([&machine] { dump(machine); });
  signals.set_in_loop(true);
  const StopReason reason = loop.run();
  signals.set_in_loop(false);
  signals.set_on_dump([] {});
  signals.set_on_wake([] {});
  signals.set_on_power_key([] { return false; });
  console.limit_waits(true);
  machine.stop();
  machine.report_exits();
  if (!machine.failure().empty()) flight_record_ = machine.write_flight_record(machine.failure());
  // A fault after somebody else's stop is nobody's business any more.
  const bool ends_by_fault =
      reason.kind == StopReason::Kind::kExit && reason.status == static_cast<int>(ExitStatus::kGuestFault);
  if (ends_by_fault) fault = machine.fault_report();
  return reason;
}

void Vm::dump(Machine& machine) {
  const std::string said = machine.write_flight_record("SIGUSR1");
  if (!said.empty()) log::line(log::Module::kVmm, log::Level::kWarn, "SIGUSR1: {}", said);
}

void Vm::dump_device_tree(const std::string& path) {
  EventLoop loop;
  ConsoleHub console{STDOUT_FILENO};
  std::optional<Notifier> output_room;
  add_virtio_console(loop, *open_console_place({}), console, output_room);
  const Machine machine{machine_parts(console, loop), irqchip_kinds_};
  dump_dtb(path, machine.device_tree());
}

}  // namespace rvvmm

#include "vmm/vm.hpp"

#include <unistd.h>

#include <cstdio>
#include <format>
#include <span>
#include <utility>

#include "base/error.hpp"
#include "base/line_output.hpp"
#include "base/log.hpp"
#include "vmm/commands/sbi_list.hpp"
#include "vmm/console/console_tail.hpp"
#include "vmm/harts/cpu_affinity.hpp"
#include "vmm/host/host_limits.hpp"
#include "vmm/machine/machine.hpp"
#include "vmm/options/irqchip_kinds.hpp"

namespace rvvmm {
namespace {

void check_against_host(const Config& config, Hypervisor& hypervisor) {
  const uint32_t most = hypervisor.max_vcpus();
  if (config.smp > most) {
    throw SetupError{ExitStatus::kUsage, std::format("--smp {}: KVM allows at most {} vCPUs here", config.smp, most)};
  }
  make_room_for_descriptors(config.smp, VirtioDevices::descriptors(config));
  check_cpu_affinity(config.cpu_affinity);
  check_sbi_choices(hypervisor, config.sbi);
}

/// Thrown by the checkpoint while files are loaded, if the event loop is to stop.
struct LoadStopped {};

constexpr StopReason kPanicked{.kind = StopReason::Kind::kExit,
                               .status = static_cast<int>(ExitStatus::kGuestSystemFailure)};
/// How many console lines of a panicked guest are shown: enough for the registers and a call trace of Linux.
constexpr size_t kShownLines = 40;

}  // namespace

Vm::Vm(const Config& config, Hypervisor& hypervisor, BootTimeline& timeline)
    : config_((check_against_host(config, hypervisor), config)),
      hypervisor_(hypervisor),
      timeline_(timeline),
      guest_log_(config.guest_log_limit),
      irqchip_kinds_(irqchip_kinds(config.irqchip, config.smp, hypervisor)),
      images_(config),
      memory_(kRamBase, config.mem_bytes, config.ram),
      virtio_(config),
      exit_watch_(config),
      flight_recorder_(config) {}

int Vm::run() {
  int status = 0;
  {
    Surroundings around{{.config = config_, .virtio = virtio_, .memory = memory_, .breaker = exit_watch_.breaker()}};
    status = run_machines(around);
    // The guest may have ended before the console's thread was started: its output is lost in this case too.
    if (const auto why = around.console().no_thread()) {
      status = static_cast<int>(ExitStatus::kInternal);
      failure_ += std::format(
          "rvvmm: the console's output is lost: this host has no thread for it now: {}; raise the limit (ulimit -u, "
          "ulimit -v, pids.max of the cgroup)\n",
          *why);
    }
  }
  log::say_lost();
  std::fputs(failure_.c_str(), stderr);  // may wait for the reader, because signals end the process by default again
  exit_watch_.finish();
  return status;
}

int Vm::run_machines(Surroundings& around) {
  around.signals().set_in_loop(false);
  images_.set_checkpoint([&around] {
    around.signals().set_in_loop(true);
    const bool stopped = around.loop().serve();
    around.signals().set_in_loop(false);
    if (stopped) throw LoadStopped{};
  });
  for (;;) {
    const StopReason reason = boot_machine(around);
    // Only after the machine is gone: until then its devices may write output and use the RAM.
    around.console().flush();
    around.console().limit_waits(false);
    if (reason.kind == StopReason::Kind::kExit) {
      images_.set_checkpoint({});
      timeline_.record_end();
      return reason.status;
    }
    timeline_.record("reset");
    memory_.discard();
  }
}

Machine::Parts Vm::machine_parts(ConsoleHub& console, EventLoop& loop, PanicWatch* panic_watch) {
  return {.config = config_,
          .hypervisor = hypervisor_,
          .memory = memory_,
          .images = images_,
          .console = console,
          .loop = loop,
          .boot_marks = timeline_,
          .guest_log = guest_log_,
          .rtc_offset = rtc_offset_,
          .virtio = virtio_.all(),
          .virtio_console = virtio_.console(),
          .exit_watch = &exit_watch_,
          .flight_recorder = &flight_recorder_,
          .panic_watch = panic_watch,
          .former_vm = &former_vm_};
}

StopReason Vm::boot_machine(Surroundings& around) {
  std::optional<Machine> machine;
  try {
    machine.emplace(machine_parts(around.console(), around.loop(), around.panic_watch()), irqchip_kinds_);
  } catch (const LoadStopped&) {
    return around.loop().run();  // returns at once: the loop has been told to stop
  }
  return run_machine(around, *machine);
}

StopReason Vm::run_machine(Surroundings& around, Machine& machine) {
  bool panic_is_shown = false;
  const auto on_panic = [&] {
    if (!std::exchange(panic_is_shown, true)) return show_panic(around, machine);
    if (around.prompt() != nullptr) around.prompt()->renew_panic(machine.standstill());
  };
  machine.control().set_listener(PauseOwner::kPanic, {.on_quiet = on_panic, .on_wait = on_panic});
  around.pause_key().set_machine(&machine.control());
  machine.start([this] { timeline_.record("harts run"); });
  around.signals().set_on_wake([&machine] { machine.wake(); });
  around.signals().set_on_power_key([this, &machine] {
    if (!virtio_.press_power_key()) return false;
    machine.wake();
    return true;
  });
  const StopReason reason = run_loop(around, machine);
  around.signals().set_on_wake([] {});
  around.signals().set_on_power_key([] { return false; });
  around.pause_key().set_machine(nullptr);
  around.console().limit_waits(true);
  machine.stop();
  machine.report_exits();
  if (around.prompt() != nullptr && reason.kind == StopReason::Kind::kReset) around.prompt()->forget();
  if (machine.failure().empty() || panic_is_shown) return reason;
  // If the loop was stopped for another reason before, a later fault is not reported.
  const bool ends_by_fault =
      reason.kind == StopReason::Kind::kExit && reason.status == static_cast<int>(ExitStatus::kGuestFault);
  std::string text = failure_text(machine, around, ends_by_fault);
  // If the failure ends rvvmm, its text is printed at the end, which may wait for the reader. Otherwise, after a reset
  // or a signal that has come meanwhile, the text is printed here and must not wait.
  if (ends_by_fault || reason == kPanicked) {
    failure_ = std::move(text);
  } else if (failures_.allow()) {
    around.console().flush();
    standard_error().write(text);
  }
  return reason;
}

StopReason Vm::run_loop(Surroundings& around, Machine& machine) {
  around.signals().set_on_dump([&machine] { dump(machine); });
  around.signals().set_in_loop(true);
  const StopReason reason = around.loop().run();
  around.signals().set_in_loop(false);
  around.signals().set_on_dump([] {});
  return reason;
}

std::string Vm::failure_text(Machine& machine, Surroundings& around, bool ends_by_fault) {
  std::string text;
  if (ends_by_fault && machine.fault_report()) {
    const std::string& report = *machine.fault_report();
    text = "rvvmm: " + (report.empty() ? "an exit after which the guest cannot go on; no memory to name it\n" : report);
  }
  if (machine.panicked()) {
    const auto lines = console_lines(around.console().last_output(), kShownLines);
    const bool shown = !lines.empty() && !around.console_is_in_view();
    text = std::format("rvvmm: {}{}\n", machine.failure(), shown ? "; the last lines of its console:" : "");
    for (size_t i = 0; shown && i < lines.size(); ++i)
      text += std::format("    {}\n", lines[i]);
  }
  const std::string record = machine.write_flight_record(machine.failure());
  if (!record.empty()) text += std::format("rvvmm: {}\n", record);
  return text;
}

void Vm::show_panic(Surroundings& around, Machine& machine) {
  const std::string text = failure_text(machine, around, false);
  around.console().flush();
  standard_error().write(text);
  if (around.prompt() != nullptr) {
    around.prompt()->ask_about_panic(machine.standstill());
  } else {
    standard_error().write("rvvmm: the machine is stopped; SIGTERM ends rvvmm\n");
  }
}

void Vm::dump(Machine& machine) {
  const std::string said = machine.write_flight_record("SIGUSR1");
  if (!said.empty()) log::line(log::Module::kVmm, log::Level::kWarn, "SIGUSR1: {}", said);
}

void Vm::dump_device_tree(const std::string& path) {
  EventLoop loop;
  ConsoleHub console{STDOUT_FILENO};
  add_virtio_console(config_, virtio_, console, *open_console_place({}));
  const Machine machine{machine_parts(console, loop, nullptr), irqchip_kinds_};
  dump_dtb(path, machine.device_tree());
}

}  // namespace rvvmm

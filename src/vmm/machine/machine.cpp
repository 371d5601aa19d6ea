#include "vmm/machine/machine.hpp"

#include <format>
#include <system_error>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/made_text.hpp"
#include "sbi/extensions.hpp"
#include "vmm/harts/time_csr_guard.hpp"

namespace rvvmm {
namespace {

constexpr uint64_t kReasonSystemFailure = 1;  // SBI 3.0, 10.1
// The call does not say more. Test programs also end with it, if a test failed or no test could run.
constexpr std::string_view kSystemFailure =
    "the guest reported a system failure: it panicked, or its tests failed or were all skipped";
constexpr std::string_view kPanicLine = "the guest has panicked";
constexpr int kLargestGuestStatus = 255;  // wait(2) returns 8 bits of an exit status

}  // namespace

Machine::RtcAlarm::RtcAlarm(Machine& machine)
    : machine_(machine), timer_(machine.parts_.loop, CLOCK_REALTIME, [this] { on_expiry(); }) {}

void Machine::RtcAlarm::on_expiry() {
  is_due_ = machine_.control_.is_paused();
  if (is_due_) return;
  machine_.board_.rtc().on_alarm();
  if (machine_.board_.rtc().asks_for_interrupt()) machine_.wake();
}

void Machine::RtcAlarm::on_resume() {
  if (is_due_) on_expiry();
}

void Machine::RtcAlarm::arm(std::optional<std::chrono::nanoseconds> wall_deadline) noexcept {
  if (wall_deadline) {
    timer_.arm_at(*wall_deadline);
  } else {
    timer_.disarm();
  }
}

Machine::Machine(const Parts& parts, std::vector<IrqchipKind>& irqchip_kinds)
    : parts_(parts),
      vm_(make_vm({.hypervisor = parts.hypervisor,
                   .memory = parts.memory,
                   .harts = parts.config.smp,
                   .sbi = parts.config.sbi,
                   .former_vm = parts.former_vm},
                  irqchip_kinds)),
      rtc_alarm_(*this),
      wake_timer_({.loop = parts.loop,
                   .ticks = [this] { return vm_.backend->ticks(); },
                   .timebase_hz = vm_.backend->timebase_hz(),
                   .on_expiry =
                       [this] {
                         timer_is_due_ = control_.is_paused();
                         if (!timer_is_due_) wake();
                       }}),
      hart_states_(
          {.harts = parts.config.smp,
           .map_wait_page = [this](std::span<const std::byte> page) { return vm_.backend->map_rom(kWaitPage, page); },
           .wait_page = kWaitPage,
           .before_system_suspend = [this](HartId hart) { interrupts_.falls_asleep(kImsicBase + hart.value * 4_KiB); },
           .on_system_suspended = [this] { on_system_suspended(); },
           .wake_in = [this](uint64_t ticks) { wake_timer_.arm(ticks); },
           .on_system_resumed = [this] { on_system_resumed(); },
           .post = [this](HartId hart, const VcpuTask& task) { post(hart, task); }}),
      interrupts_(*vm_.backend, vm_.vcpus, [this] { hart_states_.on_interrupt(); }),
      control_({.loop = parts.loop,
                .console = parts.console,
                .devices = parts.virtio,
                .vm = *vm_.backend,
                .harts = parts.config.smp,
                .on_pause =
                    [this] {
                      if (input_watch_) input_watch_->set_held(true);
                    },
                .on_resume = [this](std::optional<uint64_t> time) { on_resume(time); }}),
      board_({.irqchip = vm_.irqchip,
              .interrupts = interrupts_,
              .doorbells = *vm_.backend,
              .console_out = parts.console,
              .console_in = uart_input(),
              .rtc_alarm = rtc_alarm_,
              .finish_listener = *this,
              .memory = parts.memory,
              .virtio = parts.virtio,
              .transport = parts.config.transport}),
      io_(board_.bus(), board_, sbi_, static_cast<MachineListener&>(*this)) {
  board_.rtc().restore({.offset = parts_.rtc_offset});
  add_extensions(sbi_, parts_.config.sbi,
                 {.memory = parts_.memory,
                  .console_out = parts_.console,
                  .console_in = parts_.console,
                  .finish = *this,
                  .boot_marks = parts_.boot_marks,
                  .guest_log = parts_.guest_log,
                  .harts = hart_states_});
  load();
}

Machine::~Machine() {
  stop();
  // The members that are destroyed after this, such as the board, still use the VM.
  if (parts_.former_vm != nullptr) *parts_.former_vm = std::move(vm_.backend);
}

DeviceTree Machine::make_device_tree(const std::optional<GpaRange>& initrd) const {
  if (const InputFile* const user_dtb = parts_.images.user_dtb())
    return load_user_dtb(*user_dtb, {.initrd = initrd, .bootargs = parts_.config.append});
  const CpuDescription cpu = vm_.backend->describe_cpu(vm_.irqchip.kind != IrqchipKind::kPlic);
  return build_fdt({.harts = parts_.config.smp,
                    .cpu = cpu,
                    .ram = parts_.memory.range(),
                    .bootargs = parts_.config.append,
                    .initrd = initrd,
                    .irqchip = board_.fdt_irqchip(),
                    .devices = board_.fdt_devices(),
                    .stdout_path = Board::stdout_path()});
}

void Machine::load() {
  const auto dtb_bytes = [this] {
    // The size of the tree does not depend on the initrd's address.
    const GpaRange somewhere{.base = kRamBase, .size = 1};
    return make_device_tree(parts_.images.has_initrd() ? std::optional{somewhere} : std::nullopt).size;
  };
  const BootLayout layout = parts_.images.load(parts_.memory, dtb_bytes);
  device_tree_ = make_device_tree(layout.initrd);
  for (const std::string& oddity :
       oddities_of(device_tree_, parts_.config.append, parts_.images.user_dtb(), parts_.config.smp))
    log::line(log::Module::kLoader, parts_.images.odd_input(), "{}", oddity);
  parts_.images.set_loaded();
  const Gpa dtb = place_dtb(parts_.memory, layout, device_tree_);
  log::line(log::Module::kLoader, log::Level::kDebug, "kernel of {} bytes at {:#x}, entry {:#x}", layout.kernel.size,
            layout.kernel.base.value, layout.entry.value);
  if (layout.initrd) {
    log::line(log::Module::kLoader, log::Level::kDebug, "initrd of {} bytes at {:#x}", layout.initrd->size,
              layout.initrd->base.value);
  }
  log::line(log::Module::kLoader, log::Level::kDebug, "device tree of {} bytes at {:#x}, in {} bytes of room",
            device_tree_.bytes.size(), dtb.value, device_tree_.size);
  // Code was written as data: hosts whose instruction caches do not snoop must be told.
  const auto code = *parts_.memory.slice(layout.kernel.base, layout.kernel.size);
  __builtin___clear_cache(reinterpret_cast<char*>(code.data()), reinterpret_cast<char*>(code.data() + code.size()));
  vm_.vcpus.front()->set_entry(layout.entry, 0, dtb.value);
}

void Machine::start(const std::function<void()>& before_boot) {
  std::vector<ConsoleListener*> listeners{&board_.uart(), &console_wake_};
  if (vm_.irqchip.kind != IrqchipKind::kPlic) {
    input_watch_.emplace(parts_.loop, board_.uart());
    listeners.push_back(&*input_watch_);
  }
  if (parts_.virtio_console != nullptr) listeners.push_back(parts_.virtio_console);
  parts_.console.set_listeners(std::move(listeners));
  const size_t harts = vm_.vcpus.size();
  if (parts_.exit_watch != nullptr) {
    parts_.exit_watch->begin(*vm_.backend, vm_.vcpus, board_, breaker_control());
  }
  if (parts_.panic_watch != nullptr) {
    parts_.panic_watch->begin({.on_panic =
                                   [this] {
                                     if (claim_report()) end_by_panic_line();
                                   },
                               .is_stopped = [this] { return guest_is_stopped(); },
                               .waits_for_reader = [this] { return parts_.console.writer_waits(); }});
  }
  make_threads();
  control_.begin(threads_);
  // The boot hart starts last: if the host refuses a thread, the guest has not run yet.
  for (size_t hart = harts; hart-- > 0;) {
    if (hart == 0) before_boot();
    try {
      threads_[hart]->start();
    } catch (const std::system_error& error) {
      throw SetupError{ExitStatus::kInternal,
                       std::format("--smp {}: this host has room for {} threads now: {}; give fewer harts, or raise "
                                   "the limit (ulimit -u, ulimit -v, pids.max of the cgroup)",
                                   harts, harts - 1 - hart, error.code().message())};
    }
  }
}

ExitBreaker::Control Machine::breaker_control() {
  if (ExitBreaker* const breaker = parts_.exit_watch->breaker(); breaker != nullptr) {
    const auto on_paused = [breaker] { breaker->on_paused(); };
    control_.set_listener(PauseOwner::kBreak, {.on_quiet = on_paused, .on_wait = on_paused});
  }
  return {.pause = [this] { control_.pause_soon(PauseOwner::kBreak); },
          .resume = [this] { control_.resume_soon(PauseOwner::kBreak); },
          .rests = [this](HartId hart) { return control_.rests(hart); },
          .rest_in_exit = [this](HartId hart) { threads_[hart.value]->rest_in_exit(); },
          .post = [this](HartId hart, const VcpuTask& task) { post(hart, task); },
          .stop = [this](int status) { exit(status); }};
}

void Machine::make_threads() {
  const auto harts = static_cast<uint32_t>(vm_.vcpus.size());
  const bool time_csr_may_vanish = harts > 1 && TimeCsrGuard::needed(*vm_.vcpus[1]);
  const std::vector<uint32_t>& cpus = parts_.config.cpu_affinity;
  for (HartId hart{0}; hart.value < harts; ++hart.value) {
    threads_.push_back(std::make_unique<VcpuThread>(
        VcpuThread::Parts{.hart = hart,
                          .backend = *vm_.vcpus[hart.value],
                          .io = io_,
                          .listener = *this,
                          .host_cpu = cpus.empty() ? std::nullopt : std::optional{cpus[hart.value % cpus.size()]},
                          .guest_sets_time_csr = time_csr_may_vanish ? &guest_sets_time_csr_ : nullptr}));
  }
}

void Machine::post(HartId hart, const VcpuTask& task) noexcept {
  if (threads_[hart.value]->post(task)) return;
  log::line(log::Module::kVmm, log::Level::kError, "hart {}: its mailbox is full; a task is dropped", hart.value);
}

void Machine::stop() noexcept {
  parts_.console.set_listeners({});
  input_watch_.reset();
  hart_states_.end();
  if (parts_.exit_watch != nullptr) parts_.exit_watch->limit_waits();
  for (const auto& thread : threads_)
    thread->request_stop();
  if (parts_.exit_watch != nullptr) parts_.exit_watch->let_go();
  control_.end();
  threads_.clear();
  parts_.rtc_offset = board_.rtc().state().offset;
  if (parts_.panic_watch != nullptr) parts_.panic_watch->end();
}

ExitBreaker::Stop Machine::standstill() {
  ExitBreaker::Stop stop{.hart = panicked_hart_, .line = std::format("panic: {}\n", failure_), .registers = {}};
  for (HartId hart{0}; hart.value < vm_.vcpus.size(); ++hart.value) {
    if (control_.rests(hart)) {
      stop.registers.push_back(registers_of(*vm_.vcpus[hart.value]));
    } else {
      stop.registers.emplace_back();
    }
  }
  return stop;
}

std::string Machine::write_flight_record(std::string_view why) {
  if (parts_.flight_recorder == nullptr) return "";
  return parts_.flight_recorder->write(why, {.vcpus = vm_.vcpus,
                                             .vm = *vm_.backend,
                                             .devices = board_,
                                             .harts_run = !threads_.empty() && !control_.is_quiet(),
                                             .console = parts_.console.last_output()});
}

void Machine::report_exits() {
  if (parts_.exit_watch != nullptr) parts_.exit_watch->gather(*vm_.backend, vm_.vcpus, board_);
}

void Machine::wake() noexcept {
  wake_is_due_ = control_.is_paused();
  if (!wake_is_due_) hart_states_.wake();
}

// What came meanwhile, and what counts in the guest's time.
void Machine::on_resume(std::optional<uint64_t> time) {
  if (input_watch_) input_watch_->set_held(false);
  const bool timer_is_due = std::exchange(timer_is_due_, false);
  if (time) {
    hart_states_.on_time_continues(*time);
  } else if (timer_is_due) {
    wake();
  }
  rtc_alarm_.on_resume();
  if (std::exchange(wake_is_due_, false)) wake();
}

// An event that wakes the machine may have come before it fell asleep.
void Machine::on_system_suspended() noexcept {
  interrupts_.sleeps();
  if (suspends_.allow()) {
    log::line(
        log::Module::kVmm, log::Level::kInfo,
        "the guest has suspended the machine ({} times so far); console input, its alarm, an interrupt that it has "
        "enabled or SIGUSR2 wakes it",
        suspends_.count());
  }
  const bool input_waits = parts_.console.input_room() < ConsoleHub::kInputCapacity;
  if (input_waits || board_.asks_for_interrupt()) hart_states_.wake();
}

void Machine::on_system_resumed() noexcept {
  interrupts_.is_awake();
  wake_timer_.disarm();
  board_.ask_again();
}

void Machine::exit(int status) noexcept {
  parts_.loop.stop({.kind = StopReason::Kind::kExit, .status = status});
}

void Machine::reset_or_exit() noexcept {
  if (parts_.config.no_reboot) {
    exit(static_cast<int>(ExitStatus::kGuestReset));
  } else {
    log::line(log::Module::kVmm, log::Level::kInfo, "the guest asked for a reset");
    parts_.loop.stop({.kind = StopReason::Kind::kReset});
  }
}

void Machine::on_system_event(HartId hart, const SystemEvent& event) noexcept {
  if (!claim_report()) return;
  panicked_hart_ = hart;
  if (event.type == SystemEventType::kOther) {
    return end_by_fault(made_text(
        [&] { return std::format("hart {}: exit system event of unknown type {}\n", hart.value, event.raw_type); }));
  }
  const bool is_reset = event.type == SystemEventType::kReset;
  if (has_said_that_it_panicked()) return end_by_panic_line();
  if (event.reason == kReasonSystemFailure) {
    const bool may_reset = is_reset && !parts_.config.no_reboot;
    return end_by_panic(kSystemFailure, parts_.config.on_panic.value_or(may_reset ? OnPanic::kReset : OnPanic::kExit));
  }
  if (is_reset) {
    reset_or_exit();
  } else {
    exit(static_cast<int>(ExitStatus::kOk));
  }
}

// A kernel that is configured to reboot after a panic asks for an ordinary reset.
bool Machine::has_said_that_it_panicked() const noexcept {
  return parts_.panic_watch != nullptr && parts_.panic_watch->seen();
}

bool Machine::guest_is_stopped() const noexcept {
  ExitBreaker* const breaker = parts_.exit_watch != nullptr ? parts_.exit_watch->breaker() : nullptr;
  return control_.is_paused() || (breaker != nullptr && breaker->is_stopped());
}

void Machine::end_by_panic_line() noexcept {
  end_by_panic(kPanicLine, parts_.config.on_panic.value_or(OnPanic::kExit));
}

void Machine::end_by_panic(std::string_view why, OnPanic what) noexcept {
  failure_ = why;
  panicked_ = true;
  if (what == OnPanic::kStop) return control_.pause_soon(PauseOwner::kPanic);
  if (what == OnPanic::kReset) {
    log::line(log::Module::kVmm, log::Level::kInfo, "{}: it is reset", why);
    parts_.loop.stop({.kind = StopReason::Kind::kReset});
  } else {
    exit(static_cast<int>(ExitStatus::kGuestSystemFailure));
  }
}

void Machine::on_vcpu_fault(HartId /*hart*/, std::string report) noexcept {
  if (claim_report()) end_by_fault(std::move(report));
}

void Machine::end_by_fault(std::string report) noexcept {
  fault_report_ = std::move(report);
  failure_ = "an exit after which the guest cannot go on";
  exit(static_cast<int>(ExitStatus::kGuestFault));
}

void Machine::on_finish(FinishRequest request) noexcept {
  if (!claim_report()) return;
  if (request.kind != FinishKind::kFail && has_said_that_it_panicked()) return end_by_panic_line();
  switch (request.kind) {
    case FinishKind::kPass: exit(static_cast<int>(ExitStatus::kOk)); break;
    case FinishKind::kReset: reset_or_exit(); break;
    case FinishKind::kFail:
      if (request.code == 0 || request.code > kLargestGuestStatus) {
        log::line(log::Module::kVmm, log::Level::kWarn, "the guest failed with code {}; the exit status is {} instead",
                  request.code, kLargestGuestStatus);
      }
      exit(request.code == 0 || request.code > kLargestGuestStatus ? kLargestGuestStatus : request.code);
      break;
  }
}

}  // namespace rvvmm

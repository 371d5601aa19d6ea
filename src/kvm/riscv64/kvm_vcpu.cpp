#include "kvm/riscv64/kvm_vcpu.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <format>
#include <utility>

#include "base/error.hpp"
#include "base/kick_timer.hpp"
#include "base/log.hpp"
#include "base/register_file.hpp"
#include "kvm/binary_statistics.hpp"
#include "kvm/exit_record.hpp"
#include "kvm/exit_trace.hpp"
#include "kvm/guest_access.hpp"
#include "kvm/riscv64/one_reg.hpp"
#include "kvm/riscv64/register_report.hpp"
#include "kvm/riscv64/time_csr.hpp"

namespace rvvmm {
namespace {

constexpr uint64_t kSstatusSpie = 1UL << 5;
constexpr uint64_t kSstatusSpp = 1UL << 8;
constexpr uint64_t kCauseIllegalInstruction = 2;
constexpr uint64_t kModeSupervisor = 1;

}  // namespace

KvmVcpu::KvmVcpu(Fd fd, HartId hart, const OfVm& vm)
    : fd_(std::move(fd)),
      run_mapping_(Mapping::shared(fd_.get(), vm.run_size, "mapping a vCPU's kvm_run")),
      exit_{.run = *reinterpret_cast<kvm_run*>(run_mapping_.bytes().data()), .hart = hart},
      code_(vm.code),
      sign_extension_(vm.sign_extension),
      aia_(vm.aia),
      vm_fd_(vm.vm_fd),
      flight_(vm.flight_memory) {}

[[gnu::always_inline]] inline void KvmVcpu::observe(const ExitRecord& exit) noexcept {
  if (logged_ && exit.kind != ExitKind::kInterrupted) [[unlikely]]
    trace_exit();
  if (observer_ != nullptr) observer_->on_exit(*this, exit);
}

[[gnu::always_inline]] inline KvmVcpu::Answer KvmVcpu::answer() noexcept {
  Answer answer{};
  if (exit_.run.exit_reason == KVM_EXIT_MMIO) [[likely]] {
    answer.outcome = handle_mmio(exit_);
    answer.at = read_time();
    flight_.record_mmio(exit_.run, answer.at);
  } else {
    answer.outcome = exit_.run.exit_reason == KVM_EXIT_RISCV_SBI ? handle_sbi(exit_) : answer_rare_exit();
    answer.at = read_time();
    flight_.record(exit_.run, answer.at);
  }
  return answer;
}

[[gnu::always_inline]] inline RunOutcome KvmVcpu::answer_observed(uint64_t entered, uint64_t left) noexcept {
  const Answer answered = answer();
  ExitRecord record;
  record.entered = entered;
  record.left = left + std::exchange(watched_for_, 0);
  record.answered = answered.at;
  fill_exit_record(exit_.run, record);
  observe(record);
  if (exit_.afterwork != Afterwork::kNone) [[unlikely]]
    do_afterwork(std::exchange(exit_.afterwork, Afterwork::kNone));
  return answered.outcome;
}

RunOutcome KvmVcpu::run(VcpuIo& io) noexcept {
  exit_.io = &io;
  logged_ = log::enabled(log::Module::kKvm, log::Level::kTrace);
  if (std::exchange(exit_in_hand_, false)) {
    const uint64_t now = read_time();
    if (const RunOutcome outcome = answer_observed(now, now); outcome != RunOutcome::kContinue) return outcome;
  }
  return observer_ != nullptr || logged_ ? answer_observed_exits() : answer_exits();
}

// There are two loops, so that the loop without an observer does not check for one.
RunOutcome KvmVcpu::answer_exits() noexcept {
  RunOutcome outcome = RunOutcome::kContinue;
  while (outcome == RunOutcome::kContinue) {
    if (const long error = enter_guest(fd_.get()); error < 0) [[unlikely]]
      return run_failed(static_cast<int>(-error));
    outcome = answer().outcome;
    if (exit_.afterwork != Afterwork::kNone) [[unlikely]]
      do_afterwork(std::exchange(exit_.afterwork, Afterwork::kNone));
  }
  return outcome;
}

// The times do not include the time that the observer takes.
RunOutcome KvmVcpu::answer_observed_exits() noexcept {
  RunOutcome outcome = RunOutcome::kContinue;
  while (outcome == RunOutcome::kContinue) {
    const uint64_t entered = read_time();
    const long error = enter_guest(fd_.get());
    const uint64_t left = read_time();
    outcome = error < 0 ? observe_failed_run(entered, left, static_cast<int>(-error)) : answer_observed(entered, left);
  }
  return outcome;
}

[[gnu::cold]] RunOutcome KvmVcpu::observe_failed_run(uint64_t entered, uint64_t left, int errno_value) noexcept {
  const RunOutcome outcome = run_failed(errno_value);
  ExitRecord record;
  record.entered = entered;
  record.left = record.answered = left;
  record.kind = outcome == RunOutcome::kInterrupted ? ExitKind::kInterrupted : ExitKind::kOther;
  record.other = {.reason = KVM_EXIT_UNKNOWN, .errno_value = static_cast<uint32_t>(errno_value)};
  observe(record);
  return outcome;
}

RunOutcome KvmVcpu::answer_rare_exit() noexcept {
  if (observer_ != nullptr && exit_.run.exit_reason == KVM_EXIT_SYSTEM_EVENT) {
    ExitRecord record;
    record.entered = record.left = record.answered = read_time();
    fill_exit_record(exit_.run, record);
    observer_->before_system_event(*this, record);
    watched_for_ = read_time() - record.left;
  }
  return exit_handler(exit_.run.exit_reason).handle(exit_);
}

void KvmVcpu::trace_exit() const noexcept {
  log::made_line(log::Module::kKvm, log::Level::kTrace, [this] {
    return std::format("hart {}: pc {:#x}: {}", exit_.hart.value,
                       one_reg::get(fd_.get(), one_reg::id_of(HartRegister::kPc)).value_or(0),
                       describe_exit(exit_.run));
  });
}

void KvmVcpu::do_afterwork(Afterwork afterwork) noexcept {
  switch (afterwork) {
    case Afterwork::kNone: break;
    case Afterwork::kSignedLoadInDoubt:
      if (!sign_extension_.known_right()) mend_signed_load();
      break;
    case Afterwork::kIllegalCsr: raise_illegal_instruction(); break;
  }
}

RunOutcome KvmVcpu::run_failed(int errno_value) noexcept {
  if (errno_value == EINTR || errno_value == EAGAIN) return RunOutcome::kInterrupted;
  flight_.record_error(errno_value, read_time());
  run_errno_ = errno_value;
  return RunOutcome::kFault;
}

// KVM reads immediate_exit before it enters the guest. Setting it first closes the gap between the check of the mailbox
// and KVM_RUN. The signal that follows gets a running guest out.
void KvmVcpu::request_interrupt() noexcept {
  std::atomic_ref{exit_.run.immediate_exit}.store(1);
}

void KvmVcpu::clear_interrupt() noexcept {
  std::atomic_ref{exit_.run.immediate_exit}.store(0);
}

// immediate_exit stays set, because clearing it could discard a kick that arrived in between. The next run() returns
// kInterrupted, and the vCPU's thread clears it when it checks its mailbox.
void KvmVcpu::complete_exit() noexcept {
  request_interrupt();
  if (enter_guest(fd_.get()) == 0) {
    log::line(log::Module::kKvm, log::Level::kError, "hart {}: KVM_RUN entered the guest while completing an exit",
              exit_.hart.value);
  }
}

// Linux 6.12 (arch/riscv/kvm/vcpu_insn.c) shifts the value of LB, LH and LW back logically, so it does not extend a set
// top bit. kvm_run does not say which load the guest executed, so the instruction is decoded.
void KvmVcpu::mend_signed_load() noexcept {
  RegisterFile before{*this};
  const auto pc = before.get(HartRegister::kPc);
  const auto satp = before.get(HartRegister::kSatp);
  if (!pc || !satp) return;
  const auto instruction = code_.fetch(*pc, *satp);
  if (!instruction) return;
  const LoadInstruction load = decode_load(*instruction);
  if (load.signed_width_bits == 0 || load.rd == 0) return;
  complete_exit();
  const auto loaded = get(x(load.rd));
  if (!loaded) return;
  const auto right = static_cast<uint64_t>(sign_extended(*loaded, load.signed_width_bits));
  sign_extension_.learn(*loaded == right);
  if (*loaded != right) set(x(load.rd), right);
}

// KVM emulates the CSR instruction with the value that the handler left. A hart without that CSR would trap instead. So
// the destination register is restored and the trap is set up here (privileged specification, "Supervisor trap").
void KvmVcpu::raise_illegal_instruction() noexcept {
  RegisterFile before{*this};
  const auto pc = before.get(HartRegister::kPc);
  const auto satp = before.get(HartRegister::kSatp);
  const auto mode = before.get(HartRegister::kMode);
  if (!pc || !satp || !mode) return;
  const auto instruction = code_.fetch(*pc, *satp);
  const uint32_t rd = instruction ? (*instruction >> 7) & 31 : 0;
  const uint64_t rd_before = rd != 0 ? before.get(x(rd)).value_or(0) : 0;
  complete_exit();

  RegisterFile trapped{*this};
  if (rd != 0) trapped.set(x(rd), rd_before);
  const uint64_t sstatus = trapped.get(HartRegister::kSstatus).value_or(0);
  uint64_t in_trap = sstatus & ~(kSstatusSpp | kSstatusSpie | kSstatusSie);
  if (*mode == kModeSupervisor) in_trap |= kSstatusSpp;
  if ((sstatus & kSstatusSie) != 0) in_trap |= kSstatusSpie;
  trapped.set(HartRegister::kSstatus, in_trap);
  trapped.set(HartRegister::kSepc, *pc);
  trapped.set(HartRegister::kScause, kCauseIllegalInstruction);
  trapped.set(HartRegister::kStval, instruction.value_or(0));
  trapped.set(HartRegister::kPc, trapped.get(HartRegister::kStvec).value_or(0) & ~uint64_t{3});
  trapped.set(HartRegister::kMode, kModeSupervisor);
  trapped.write_back();
}

void KvmVcpu::set_entry(Gpa pc, uint64_t a0, uint64_t a1) {
  RegisterFile registers{*this};
  registers.set(HartRegister::kPc, pc.value);
  registers.set(kA0, a0);
  registers.set(kA1, a1);
  // Newer kernels reset scounteren to 0, but guests up to 6.12 rely on its old value (docs/kvm-quirks.md, the time
  // CSR).
  registers.set(HartRegister::kScounteren, kAllCountersReadable);
  if (registers.write_back()) return;
  const int error = errno;
  throw SetupError::from_errno(ExitStatus::kInternal,
                               std::format("KVM_SET_ONE_REG: the entry of hart {}", exit_.hart.value), error);
}

HartState KvmVcpu::state() noexcept {
  kvm_mp_state state{};
  if (kvm_ioctl(fd_.get(), KVM_GET_MP_STATE, &state) < 0) return HartState::kUnknown;
  switch (state.mp_state) {
    case KVM_MP_STATE_RUNNABLE: return HartState::kRunnable;
    case KVM_MP_STATE_STOPPED: return HartState::kStopped;
    default: return HartState::kUnknown;
  }
}

bool KvmVcpu::set_state(HartState state) noexcept {
  if (state == HartState::kUnknown) return false;
  const kvm_mp_state wanted{
      .mp_state = static_cast<__u32>(state == HartState::kRunnable ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_STOPPED)};
  return kvm_ioctl(fd_.get(), KVM_SET_MP_STATE, &wanted) == 0;
}

// After a system suspend KVM resets the hart as if it were started anew, including its interrupt file and pin (Linux,
// arch/riscv/kvm/vcpu_sbi_system.c, kvm_riscv_reset_vcpu). Guests up to 6.12 expect both to be unchanged. So the reset
// is forced now, and the lost state is restored before the hart can run.
bool KvmVcpu::take_suspend_reset() noexcept {
  const InterruptFile file = InterruptFile::of(aia_, exit_.hart);
  const uint64_t software = get(HartRegister::kSip).value_or(0) & kSoftwareInterrupt;
  if (!set_state(HartState::kStopped) || !enter_until_reset()) return false;
  // Setting sip loses interrupts that arrive in between (kvm_riscv_vcpu_general_set_csr). The next steps restore them.
  if (software != 0 && !set(HartRegister::kSip, software)) return false;
  if (!file.restore(aia_)) return false;
  const LockGuard lock{pin_mu_};
  if (pin_asserted_) drive_pin();
  return true;
}

// A guest interrupt file raises its interrupt in hardware, so KVM's sip does not show it.
uint64_t KvmVcpu::pending_interrupts() noexcept {
  const uint64_t pending = get(HartRegister::kSip).value_or(0) & ~kTimerInterrupt;
  return InterruptFile::of(aia_, exit_.hart).asks() ? pending | kExternalInterrupt : pending;
}

// A stopped hart sleeps in KVM_RUN. KVM handles requests, such as this reset, when a signal ends that sleep, but not if
// the signal arrives before the sleep. So signals are sent until the reset has happened.
bool KvmVcpu::enter_until_reset() noexcept {
  constexpr int kMostEntries = 1000;
  constexpr uint64_t kNowhere = 0;  // no hart resumes at 0, because there is no RAM
  KickTimer kick{CLOCK_MONOTONIC};
  bool was_reset = false;
  if (!kick || !set(HartRegister::kPc, kNowhere)) return false;
  kick.arm_every(std::chrono::milliseconds{1});
  for (int entry = 0; entry < kMostEntries && !was_reset; ++entry) {
    clear_interrupt();
    const long result = enter_guest(fd_.get());
    exit_in_hand_ = result == 0;
    if (result != -EINTR) break;
    was_reset = get(HartRegister::kPc) != kNowhere;
  }
  request_interrupt();  // one of the signals may have been a kick from another thread
  return was_reset;
}

std::optional<uint64_t> KvmVcpu::get(HartRegister reg) noexcept {
  return one_reg::get(fd_.get(), one_reg::id_of(reg));
}

bool KvmVcpu::set(HartRegister reg, uint64_t value) noexcept {
  return one_reg::set(fd_.get(), one_reg::id_of(reg), value);
}

bool KvmVcpu::get(VectorRegister reg, std::span<std::byte> bytes) noexcept {
  return one_reg::get(fd_.get(), one_reg::vector(reg, bytes.size()), bytes);
}

bool KvmVcpu::set(VectorRegister reg, std::span<const std::byte> bytes) noexcept {
  return one_reg::set(fd_.get(), one_reg::vector(reg, bytes.size()), bytes);
}

// KVM_INTERRUPT takes no vCPU lock, so any thread may call it (Linux, arch/riscv/kvm/vcpu.c,
// kvm_arch_vcpu_async_ioctl).
void KvmVcpu::set_external_interrupt(bool asserted) noexcept {
  const LockGuard lock{pin_mu_};
  pin_asserted_ = asserted;
  drive_pin();
}

void KvmVcpu::drive_pin() noexcept {
  const kvm_interrupt interrupt{.irq = pin_asserted_ ? KVM_INTERRUPT_SET : KVM_INTERRUPT_UNSET};
  if (kvm_ioctl(fd_.get(), KVM_INTERRUPT, &interrupt) >= 0) return;
  static constinit log::RateLimit limit{"KVM_INTERRUPT"};
  if (const int error = errno; limit.allow())
    log::line(log::Module::kKvm, log::Level::kError, "hart {}: KVM_INTERRUPT: errno {}", exit_.hart.value, error);
}

std::string KvmVcpu::describe_fault() const {
  if (run_errno_ != 0) {
    return std::format("exit {} (KVM_RUN: {}): {}", exit_handler(KVM_EXIT_UNKNOWN).name, std::strerror(run_errno_),
                       run_error(run_errno_).cause);
  }
  const ExitHandler& handler = exit_handler(exit_.run.exit_reason);
  switch (exit_.run.exit_reason) {
    case KVM_EXIT_FAIL_ENTRY:
      return std::format("exit {}: hardware reason {:#x} on host CPU {}", handler.name,
                         static_cast<uint64_t>(exit_.run.fail_entry.hardware_entry_failure_reason),
                         exit_.run.fail_entry.cpu);
    case KVM_EXIT_DEBUG: return std::format("exit {}: a breakpoint that no debugger set", handler.name);
    default: return std::format("exit {} (reason {})", handler.name, exit_.run.exit_reason);
  }
}

std::string KvmVcpu::fault_report(const VcpuIo& io) {
  RegisterFile registers{*this};
  std::string line = std::format("hart {}: pc {:#x}: {}", exit_.hart.value,
                                 registers.get(HartRegister::kPc).value_or(0), describe_fault());
  // KVM does not report the access that it could not emulate.
  if (run_errno_ != 0) {
    if (const std::string access = describe_access(registers, code_, io); !access.empty()) line += ": " + access;
  }
  return line + "\n" + describe_registers(registers);
}

std::vector<Statistic> KvmVcpu::statistics() {
  const Fd stats{kvm_ioctl(fd_.get(), KVM_GET_STATS_FD, 0)};
  return stats ? read_statistics(stats.get()) : std::vector<Statistic>{};
}

}  // namespace rvvmm

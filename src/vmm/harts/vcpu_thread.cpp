#include "vmm/harts/vcpu_thread.hpp"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <csignal>
#include <format>
#include <utility>

#include "base/kick_signal.hpp"
#include "base/log.hpp"
#include "base/made_text.hpp"
#include "base/thread_signals.hpp"
#include "vmm/harts/own_descriptors.hpp"

namespace rvvmm {

void VcpuThread::install_kick_handler() noexcept {
  struct sigaction action{};
  action.sa_handler = [](int) {};  // empty: the signal only interrupts; no SA_RESTART, so that system calls return
  ::sigaction(kKickSignal, &action, nullptr);
}

VcpuThread::VcpuThread(const Parts& parts) : parts_(parts) {
  if (parts.guest_sets_time_csr != nullptr) time_csr_guard_.emplace(parts.hart, *parts.guest_sets_time_csr);
}

void VcpuThread::start() {
  const AsynchronousSignalsBlocked for_the_thread;
  thread_ = std::jthread{[this] { main(); }};
}

VcpuThread::~VcpuThread() {
  request_stop();
}

void VcpuThread::request_stop() noexcept {
  {
    const LockGuard lock{mutex_};
    stopping_ = true;
  }
  kick();
}

bool VcpuThread::post(const VcpuTask& task) noexcept {
  {
    const LockGuard lock{mutex_};
    if (mailbox_.full()) return false;
    mailbox_.push_back(task);
  }
  kick();
  return true;
}

// First the flag, which KVM reads before it enters the guest; then the signal, which stops a running guest. So the
// thread checks its mailbox whether it is inside KVM_RUN or not. A thread that has not started yet will see the flag.
void VcpuThread::kick() noexcept {
  parts_.backend.request_interrupt();
  if (const pthread_t thread = kicked_.load(); thread != 0) ::pthread_kill(thread, kKickSignal);
}

void VcpuThread::set_up_thread() const noexcept {
  const std::string name = std::format("vcpu{}", parts_.hart.value);
  ::pthread_setname_np(::pthread_self(), name.c_str());

  sigset_t kick_only;
  ::sigemptyset(&kick_only);
  ::sigaddset(&kick_only, kKickSignal);
  ::pthread_sigmask(SIG_UNBLOCK, &kick_only, nullptr);

  if (!parts_.host_cpu) return;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(*parts_.host_cpu, &cpus);
  static constinit log::RateLimit limit{"host CPUs that have gone"};  // static, because each machine tries them again
  if (::sched_setaffinity(0, sizeof(cpus), &cpus) != 0 && limit.allow()) {
    log::line(log::Module::kVmm, log::Level::kWarn, "hart {}: host CPU {} is gone; the hart runs on any host CPU",
              parts_.hart.value, *parts_.host_cpu);
  }
}

std::optional<VcpuTask> VcpuThread::take_task() noexcept {
  const LockGuard lock{mutex_};
  if (stopping_) return std::nullopt;
  if (next_task_ < mailbox_.size()) return mailbox_[next_task_++];
  mailbox_.clear();
  next_task_ = 0;
  return std::nullopt;
}

bool VcpuThread::serve_mailbox() noexcept {
  parts_.backend.clear_interrupt();
  while (const auto task = take_task())
    (*task)(parts_.backend);
  const LockGuard lock{mutex_};
  return !stopping_;
}

void VcpuThread::main() noexcept {
  set_up_thread();
  kicked_ = ::pthread_self();
  const OwnDescriptors own_descriptors;
  log::line(log::Module::kVmm, log::Level::kDebug, "hart {}: its thread runs", parts_.hart.value);
  if (time_csr_guard_) time_csr_guard_->begin();
  run_until_told();
  log::line(log::Module::kVmm, log::Level::kDebug, "hart {}: its thread ends", parts_.hart.value);
}

void VcpuThread::run_until_told() noexcept {
  for (;;) {
    switch (parts_.backend.run(parts_.io)) {
      case RunOutcome::kContinue: break;
      case RunOutcome::kInterrupted:
        if (!serve_mailbox()) return;
        if (time_csr_guard_) time_csr_guard_->look(parts_.backend);
        break;
      case RunOutcome::kStop: return;
      case RunOutcome::kFault:
        parts_.listener.on_vcpu_fault(parts_.hart,
                                      made_text([this] { return parts_.backend.fault_report(parts_.io); }));
        return;
    }
  }
}

}  // namespace rvvmm

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
    rest_ends_.notify_all();
  }
  kick();
}

void VcpuThread::pause() noexcept {
  {
    const LockGuard lock{mutex_};
    pausing_ = true;
    // It may still rest from the last pause, and then rests on.
    if (ended_ || resting_) parts_.listener.on_hart_rests();
  }
  kick();
}

void VcpuThread::resume() noexcept {
  const LockGuard lock{mutex_};
  pausing_ = false;
  rest_ends_.notify_all();
}

bool VcpuThread::rests() noexcept {
  const LockGuard lock{mutex_};
  return ended_ || (resting_ && next_task_ == mailbox_.size());
}

bool VcpuThread::post(const VcpuTask& task) noexcept {
  {
    const LockGuard lock{mutex_};
    if (mailbox_.full()) return false;
    mailbox_.push_back(task);
    rest_ends_.notify_all();
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

bool VcpuThread::run_tasks() noexcept {
  bool ran = false;
  while (const auto task = take_task()) {
    (*task)(parts_.backend);
    ran = true;
  }
  return ran;
}

bool VcpuThread::serve_mailbox() noexcept {
  for (;;) {
    parts_.backend.clear_interrupt();
    const bool ran = run_tasks();
    const LockGuard lock{mutex_};
    if (stopping_ || !pausing_) return !stopping_;
    if (ran) {
      // A task may have left an exit that is not answered yet (VcpuBackend::take_suspend_reset). run() answers it, and
      // returns here without the guest.
      parts_.backend.request_interrupt();
      return true;
    }
    rest();
  }
}

void VcpuThread::rest_in_exit() noexcept {
  for (;;) {
    run_tasks();
    const LockGuard lock{mutex_};
    if (stopping_ || !pausing_) return;
    rest();
  }
}

void VcpuThread::rest() noexcept {
  resting_ = true;
  parts_.listener.on_hart_rests();
  rest_ends_.wait(mutex_, [this]() REQUIRES(mutex_) { return stopping_ || !pausing_ || next_task_ < mailbox_.size(); });
  resting_ = false;
}

void VcpuThread::end() noexcept {
  const LockGuard lock{mutex_};
  ended_ = true;
  if (pausing_) parts_.listener.on_hart_rests();
}

void VcpuThread::main() noexcept {
  set_up_thread();
  kicked_ = ::pthread_self();
  const OwnDescriptors own_descriptors;
  log::line(log::Module::kVmm, log::Level::kDebug, "hart {}: its thread runs", parts_.hart.value);
  if (time_csr_guard_) time_csr_guard_->begin();
  run_until_told();
  end();
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

// The thread of one hart: enters the guest, and between entries runs what others ask of its vCPU.
#pragma once

#include <pthread.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>

#include "base/hypervisor.hpp"
#include "base/inplace_function.hpp"
#include "base/inplace_vector.hpp"
#include "base/mutex.hpp"
#include "vmm/harts/machine_listener.hpp"
#include "vmm/harts/time_csr_guard.hpp"

namespace rvvmm {

/// Work for the hart's own thread: the only one that may use the vCPU while it runs.
using VcpuTask = InplaceFunction<void(VcpuBackend&), 48>;

class VcpuThread {
 public:
  struct Parts {
    HartId hart;
    VcpuBackend& backend;
    VcpuIo& io;
    MachineListener& listener;
    std::optional<uint32_t> host_cpu;  ///< pinned there; none: wherever the scheduler likes
    /// Of all the machine's harts (TimeCsrGuard); null where the host needs no such guard. Outlives the thread.
    std::atomic<bool>* guest_sets_time_csr = nullptr;
  };

  explicit VcpuThread(const Parts& parts);
  /// Stops and joins.
  ~VcpuThread();
  VcpuThread(const VcpuThread&) = delete;
  VcpuThread& operator=(const VcpuThread&) = delete;

  /// Starts the thread, named vcpu<hart>, and enters the guest. install_kick_handler() comes first. Once. Throws
  /// std::system_error when the host has no more threads.
  void start();

  /// The thread leaves the guest and ends; does not wait. Any thread.
  void request_stop() noexcept;
  /// Runs `task` on the hart's thread, soon, outside the guest and with no exit in hand that KVM has yet to complete;
  /// dropped if the hart has ended. False, and it is not run, where kMostTasks wait for the hart. Any thread, the
  /// hart's own too, also before start().
  bool post(const VcpuTask& task) noexcept;
  /// HartStates has two of them under way, and each stop of a break one.
  static constexpr size_t kMostTasks = 32;

  /// Makes the kick signal interrupt KVM_RUN instead of ending the process. Once per process.
  static void install_kick_handler() noexcept;

 private:
  void main() noexcept;
  void run_until_told() noexcept;
  void kick() noexcept;
  bool serve_mailbox() noexcept;
  /// nullopt: there is none, or the hart is to end.
  std::optional<VcpuTask> take_task() noexcept;
  void set_up_thread() const noexcept;

  Parts parts_;
  Mutex mutex_;
  InplaceVector<VcpuTask, kMostTasks> mailbox_ GUARDED_BY(mutex_);
  size_t next_task_ GUARDED_BY(mutex_) = 0;  // of the mailbox: those before it are taken
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::atomic<pthread_t> kicked_ = 0;  // 0: not in the guest yet
  std::optional<TimeCsrGuard> time_csr_guard_;
  std::jthread thread_;  // last: it uses everything above
};

}  // namespace rvvmm

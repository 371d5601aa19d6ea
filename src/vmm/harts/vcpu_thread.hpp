// The thread of one hart. It enters the guest, and between entries it runs the tasks that other threads post.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
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

/// Work for the hart's own thread. No other thread may use the vCPU while the hart runs.
using VcpuTask = InplaceFunction<void(VcpuBackend&), 48>;

class VcpuThread {
 public:
  struct Parts {
    HartId hart;
    VcpuBackend& backend;
    VcpuIo& io;
    MachineListener& listener;
    std::optional<uint32_t> host_cpu;  ///< the thread is pinned to it; nullopt: it runs on any host CPU
    /// Shared by all harts of the machine (TimeCsrGuard); null if the host does not need this guard. Must outlive the
    /// thread.
    std::atomic<bool>* guest_sets_time_csr = nullptr;
  };

  explicit VcpuThread(const Parts& parts);
  /// Stops and joins.
  ~VcpuThread();
  VcpuThread(const VcpuThread&) = delete;
  VcpuThread& operator=(const VcpuThread&) = delete;

  /// Starts the thread, named vcpu<hart>, which enters the guest. Call it once, after install_kick_handler(). Throws
  /// std::system_error if the host refuses the thread.
  void start();

  /// Makes the thread leave the guest and end; does not wait for it. Any thread.
  void request_stop() noexcept;
  /// Runs `task` on the hart's thread soon, outside the guest, after KVM has completed the current exit. If the hart's
  /// thread has ended, the task is dropped. False: kMostTasks already wait for the hart, so the task does not run. Any
  /// thread, also the hart's own, also before start().
  bool post(const VcpuTask& task) noexcept;
  /// At one time HartStates has at most two tasks posted, and a break one.
  static constexpr size_t kMostTasks = 32;

  /// Makes the hart leave the guest and rest until resume(): no exit is left to complete, and only posted tasks run.
  /// Does not wait; the listener is told when the hart rests. A hart whose thread has ended rests too. Any thread, also
  /// before start().
  void pause() noexcept;
  void resume() noexcept;
  /// Rests as long as the hart is to pause, in the middle of an exit that KVM need not complete: a system event. On the
  /// hart's own thread.
  void rest_in_exit() noexcept;
  /// Once true, and until resume() or the next post(), other threads may use the vCPU.
  bool rests() noexcept;

  /// Makes the kick signal interrupt KVM_RUN instead of ending the process. Call it once per process.
  static void install_kick_handler() noexcept;

 private:
  void main() noexcept;
  void run_until_told() noexcept;
  void kick() noexcept;
  /// Runs the tasks, and rests if that is wanted. False: the thread is to end.
  bool serve_mailbox() noexcept;
  /// Returns whether it has run one.
  bool run_tasks() noexcept;
  void rest() noexcept REQUIRES(mutex_);
  void end() noexcept;
  /// nullopt: there is no task, or the thread is to end.
  std::optional<VcpuTask> take_task() noexcept;
  void set_up_thread() const noexcept;

  Parts parts_;
  Mutex mutex_;
  InplaceVector<VcpuTask, kMostTasks> mailbox_ GUARDED_BY(mutex_);
  size_t next_task_ GUARDED_BY(mutex_) = 0;  // index in the mailbox; earlier tasks are taken
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool pausing_ GUARDED_BY(mutex_) = false;
  bool resting_ GUARDED_BY(mutex_) = false;
  bool ended_ GUARDED_BY(mutex_) = false;
  std::condition_variable_any rest_ends_;
  std::atomic<pthread_t> kicked_ = 0;  // 0: not in the guest yet
  std::optional<TimeCsrGuard> time_csr_guard_;
  std::jthread thread_;  // last, because it uses all members above
};

}  // namespace rvvmm

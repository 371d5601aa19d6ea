// The machine around a hart: answers nothing, remembers what ends it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>

#include "fakes/idle_io.hpp"
#include "vmm/harts/machine_listener.hpp"

namespace rvvmm {

class RecordingListener final : public MachineListener {
 public:
  void on_system_event(HartId /*hart*/, const SystemEvent& event) noexcept override {
    const std::lock_guard lock{mutex_};
    last_event_ = event;
  }
  void on_vcpu_fault(HartId /*hart*/, std::string report) noexcept override {
    const std::lock_guard lock{mutex_};
    fault_ = std::move(report);
    changed_.notify_all();
  }
  void on_hart_rests() noexcept override {
    const std::lock_guard lock{mutex_};
    ++rests_;
    changed_.notify_all();
  }
  /// Since the listener was made.
  void wait_for_rests(int count) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this, count] { return rests_ >= count; });
  }
  SystemEvent last_event() {
    const std::lock_guard lock{mutex_};
    return last_event_;
  }
  std::string wait_for_fault() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return !fault_.empty(); });
    return fault_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  SystemEvent last_event_;
  std::string fault_;
  int rests_ = 0;
};

}  // namespace rvvmm

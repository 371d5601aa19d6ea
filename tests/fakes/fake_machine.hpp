// The machine around a hart: answers nothing, remembers what ends it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>

#include "base/vcpu_io.hpp"
#include "vmm/harts/machine_listener.hpp"

namespace rvvmm {

class IdleIo final : public VcpuIo {
 public:
  void mmio_read(HartId, Gpa, std::span<std::byte>) noexcept override {}
  void mmio_write(HartId, Gpa, std::span<const std::byte>) noexcept override {}
  SbiRet sbi_ecall(HartId, const SbiCall&) noexcept override { return SbiRet::fail(SbiError::kNotSupported); }
  std::optional<uint64_t> csr_access(HartId, const CsrAccess&) noexcept override { return std::nullopt; }
  void system_event(HartId, const SystemEvent&) noexcept override {}
  std::string what_is_at(Gpa, bool) const override { return ""; }
};

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
};

}  // namespace rvvmm

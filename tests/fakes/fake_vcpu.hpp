// A vCPU that plays a script: what each entry into the guest ends with. Stands in for KVM in tests.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/hypervisor.hpp"
#include "base/register_names.hpp"
#include "base/saved_state.hpp"

namespace rvvmm {

/// Script steps run on the hart's thread, as KVM_RUN would. With nothing left the vCPU "is in the guest": run()
/// blocks until it is kicked, and so does a stopped one. Register state may be set by any thread before the hart runs,
/// later by its own.
class FakeVcpu final : public VcpuBackend {
 public:
  using Step = std::function<RunOutcome(VcpuIo&)>;

  void add_step(Step step) {
    const std::lock_guard lock{mutex_};
    steps_.push_back(std::move(step));
    changed_.notify_all();
  }

  RunOutcome run(VcpuIo& io) noexcept override {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return interrupt_ || (!steps_.empty() && hart_state != HartState::kStopped); });
    if (interrupt_) return RunOutcome::kInterrupted;
    const Step step = std::move(steps_.front());
    steps_.pop_front();
    lock.unlock();
    return step(io);
  }
  void observe_exits(ExitObserver* to) noexcept override { observer = to; }
  std::vector<Statistic> statistics() override { return counted; }
  std::vector<ExitRecord> last_exits() const override { return exits; }
  void request_interrupt() noexcept override {
    const std::lock_guard lock{mutex_};
    interrupt_ = true;
    changed_.notify_all();
  }
  void clear_interrupt() noexcept override {
    const std::lock_guard lock{mutex_};
    interrupt_ = false;
  }

  void set_entry(Gpa pc, uint64_t /*a0*/, uint64_t /*a1*/) override { entry = pc; }
  HartState state() noexcept override {
    ++states_asked;
    return hart_state;
  }
  bool set_state(HartState state) noexcept override {
    hart_state = state;
    return true;
  }
  bool take_suspend_reset() noexcept override {
    ++suspend_resets_taken;
    if (refuses_suspend_reset) return false;
    if (on_suspend_reset) on_suspend_reset();
    at(HartRegister::kScounteren) = 0;
    at(HartRegister::kSie) = 0;
    at(HartRegister::kTimerCompare) = kNoTimer;
    hart_state = HartState::kStopped;
    return true;
  }
  uint64_t pending_interrupts() noexcept override {
    const uint64_t external = external_interrupt ? kExternalInterrupt : 0;
    return (at(HartRegister::kSip) & ~kTimerInterrupt) | external;
  }
  std::optional<uint64_t> get(HartRegister reg) noexcept override {
    ++registers_read;
    if (reg == absent) return std::nullopt;
    return at(reg);
  }
  bool set(HartRegister reg, uint64_t value) noexcept override {
    ++registers_written;
    if (reg == absent) return false;
    at(reg) = value;
    return true;
  }
  bool get(VectorRegister reg, std::span<std::byte> bytes) noexcept override {
    ++registers_read;
    if (bytes.size() != at(reg).size()) return false;
    std::ranges::copy(at(reg), bytes.begin());
    return true;
  }
  bool set(VectorRegister reg, std::span<const std::byte> bytes) noexcept override {
    ++registers_written;
    if (bytes.size() != at(reg).size()) return false;
    std::ranges::copy(bytes, at(reg).begin());
    return true;
  }
  /// v0..v31 of that many bytes; without it the hart has none.
  void give_vectors(size_t vlenb) {
    at(HartRegister::kVlenb) = vlenb;
    for (auto& reg : vectors_)
      reg.resize(vlenb);
  }
  std::vector<std::byte>& at(VectorRegister reg) noexcept { return vectors_[static_cast<size_t>(reg)]; }
  uint64_t& at(HartRegister reg) noexcept { return registers_[static_cast<size_t>(reg)]; }
  /// The ids are not KVM's: the number of a HartRegister, and after these v0 to v31.
  std::optional<VcpuState> save(std::string& why) override {
    if (!refuses_to_save.empty()) {
      why = refuses_to_save;
      return std::nullopt;
    }
    VcpuState saved{.state = hart_state, .external_interrupt = external_interrupt};
    for (size_t i = 0; i < registers_.size(); ++i)
      saved.registers.push_back(
          {.id = i, .name = std::string{name_of(static_cast<HartRegister>(i))}, .value = bytes_of(i)});
    for (size_t i = 0; i < vectors_.size(); ++i)
      saved.registers.push_back({.id = registers_.size() + i, .name = "v" + std::to_string(i), .value = vectors_[i]});
    return saved;
  }
  bool restore(const VcpuState& saved, std::string& why) override {
    ++states_restored;
    if (why = refuses_to_restore.empty() ? misfit(saved) : refuses_to_restore; !why.empty()) return false;
    for (size_t i = 0; i < registers_.size(); ++i)
      std::memcpy(&registers_[i], saved.registers[i].value.data(), sizeof registers_[i]);
    for (size_t i = 0; i < vectors_.size(); ++i)
      vectors_[i] = saved.registers[registers_.size() + i].value;
    hart_state = saved.state;
    external_interrupt = saved.external_interrupt;
    return true;
  }
  std::string fault_report(const VcpuIo& /*io*/) override { return report; }
  void set_external_interrupt(bool asserted) noexcept override { external_interrupt = asserted; }

  Gpa entry;
  ExitObserver* observer = nullptr;  ///< a script tells it of its exits
  std::vector<Statistic> counted;
  std::vector<ExitRecord> exits;
  HartState hart_state = HartState::kRunnable;
  HartRegister absent = HartRegister::kCount;  ///< which a hart does not have
  uint32_t registers_read = 0;
  uint32_t registers_written = 0;
  uint32_t states_asked = 0;
  uint32_t suspend_resets_taken = 0;
  uint32_t states_restored = 0;
  std::string refuses_to_save;     ///< the reason; empty: it saves
  std::string refuses_to_restore;  ///< the same
  bool refuses_suspend_reset = false;
  std::function<void()> on_suspend_reset{};  ///< in the middle of one
  std::string report = "hart 0: pc 0x0: exit unknown\n";
  std::atomic<bool> external_interrupt = false;

 private:
  std::vector<std::byte> bytes_of(size_t number) const {
    const auto bytes = std::as_bytes(std::span{&registers_[number], 1});
    return {bytes.begin(), bytes.end()};
  }
  /// Why the hart cannot take over that state; empty if it can.
  std::string misfit(const VcpuState& saved) const {
    if (saved.state == HartState::kUnknown) return "it is neither runnable nor stopped";
    if (saved.registers.size() != registers_.size() + vectors_.size()) return "a register is missing";
    for (size_t i = 0; i < saved.registers.size(); ++i) {
      const SavedRegister& reg = saved.registers[i];
      const size_t size = i < registers_.size() ? sizeof registers_[i] : vectors_[i - registers_.size()].size();
      if (reg.id != i || reg.value.size() != size) return "register " + reg.name + " does not fit";
    }
    return {};
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Step> steps_;
  bool interrupt_ = false;
  std::array<uint64_t, static_cast<size_t>(HartRegister::kCount)> registers_{};
  std::array<std::vector<std::byte>, kVectorRegisters> vectors_;
};

}  // namespace rvvmm

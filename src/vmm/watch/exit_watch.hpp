// Who watches the exits of a VM, over all its resets: --profile, --trace, --break.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/exit_observer.hpp"
#include "base/hypervisor.hpp"
#include "observe/exit_names.hpp"
#include "observe/hart_profile.hpp"
#include "vmm/options/config.hpp"
#include "vmm/watch/exit_breaker.hpp"
#include "vmm/watch/exit_tracer.hpp"
#include "vmm/watch/profile_recorder.hpp"

namespace rvvmm {

/// One hart's part, on that hart's thread.
class HartWatch final : public ExitObserver {
 public:
  /// `tracer`, `breaker`: null without --trace, --break.
  HartWatch(HartId hart, uint64_t start, ExitTracer* tracer, ExitBreaker* breaker)
      : profile_(start), hart_(hart), tracer_(tracer), breaker_(breaker) {}

  void on_exit(VcpuBackend& hart, const ExitRecord& exit) noexcept override {
    profile_.add(exit);
    if (profile_.wants_pc()) [[unlikely]]
      profile_.add_pc(hart.get(HartRegister::kPc).value_or(0));
    if (tracer_ != nullptr) [[unlikely]]
      tracer_->on_exit(hart_, hart, exit);
    if (breaker_ != nullptr) [[unlikely]]
      breaker_->on_exit(hart_, hart, exit);
  }
  void before_system_event(VcpuBackend& hart, const ExitRecord& exit) noexcept override {
    if (breaker_ != nullptr) breaker_->before_system_event(hart_, hart, exit);
  }
  const HartProfile& profile() const noexcept { return profile_; }

 private:
  HartProfile profile_;
  HartId hart_;
  ExitTracer* tracer_;
  ExitBreaker* breaker_;
};

/// The thread that makes machines. Without options that ask for it nobody watches, and no exit pays for it.
class ExitWatch {
 public:
  /// Opens the files. Throws SetupError (kUsage, kBadInput).
  explicit ExitWatch(const Config& config);

  using Vcpus = std::span<const std::unique_ptr<VcpuBackend>>;

  /// Before the harts of a machine run.
  /// Throws SetupError (kUsage) where the trace names a device that there is not.
  /// `control` is used until let_go().
  void begin(VmBackend& vm, Vcpus vcpus, const DeviceNames& devices, ExitBreaker::Control control = {});
  /// Before they are told to end: what nobody reads keeps none of them.
  void limit_waits() noexcept;
  /// After that: nor does a break.
  void let_go() noexcept;
  /// When they run no more, and before the machine goes: takes over what was counted, with names.
  void gather(VmBackend& vm, Vcpus vcpus, const DeviceNames& devices);
  /// null without --break.
  ExitBreaker* breaker() noexcept { return watchers_ && watchers_->breaker ? &*watchers_->breaker : nullptr; }
  /// After the last machine: writes it. Throws SetupError (kInternal) where the file cannot take it.
  void finish();

 private:
  /// Made where a user asks for one of the three: a start without them does not pay for it.
  struct Watchers {
    std::optional<ProfileRecorder> profile = {};
    std::optional<ExitTracer> tracer = {};
    std::optional<ExitBreaker> breaker = {};
    std::optional<uint64_t> start = {};                  ///< of the first machine, in ticks
    std::vector<std::unique_ptr<HartWatch>> harts = {};  ///< of the machine that runs
  };

  std::unique_ptr<Watchers> watchers_;
};

}  // namespace rvvmm

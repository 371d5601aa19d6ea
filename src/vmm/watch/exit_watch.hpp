// Observes the exits of a VM through all its resets: --profile, --trace, --break.
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

/// The observer of one hart, on that hart's thread.
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

/// Used on the thread that makes machines. Without one of these options there is no observer, and exits cost nothing
/// extra.
class ExitWatch {
 public:
  /// Opens the files. Throws SetupError (kUsage, kBadInput).
  explicit ExitWatch(const Config& config);

  using Vcpus = std::span<const std::unique_ptr<VcpuBackend>>;

  /// Called before the harts of a machine run. `control` is used until let_go(). Throws SetupError (kUsage) if the
  /// trace or a break names a device that the machine does not have.
  void begin(VmBackend& vm, Vcpus vcpus, const DeviceNames& devices, ExitBreaker::Control control = {});
  /// Called before the harts are told to end: from here on no hart waits for a reader of its output.
  void limit_waits() noexcept;
  /// Called after that: no hart stops at a break any more.
  void let_go() noexcept;
  /// Called when the harts have ended, and before the machine is destroyed: collects the counts and adds names.
  void gather(VmBackend& vm, Vcpus vcpus, const DeviceNames& devices);
  /// nullptr without --break.
  ExitBreaker* breaker() noexcept { return watchers_ && watchers_->breaker ? &*watchers_->breaker : nullptr; }
  /// Called after the last machine: writes the profile. Throws SetupError (kInternal) if the file cannot be written.
  void finish();

 private:
  /// Allocated only with one of these options, so that a start without them costs nothing extra.
  struct Watchers {
    std::optional<ProfileRecorder> profile = {};
    std::optional<ExitTracer> tracer = {};
    std::optional<ExitBreaker> breaker = {};
    std::optional<uint64_t> start = {};                  ///< start of the first machine, in ticks
    std::vector<std::unique_ptr<HartWatch>> harts = {};  ///< of the machine that runs now
  };

  std::unique_ptr<Watchers> watchers_;
};

}  // namespace rvvmm

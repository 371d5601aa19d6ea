// Who watches the exits of a VM, over all its resets: --profile.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/exit_observer.hpp"
#include "base/hypervisor.hpp"
#include "base/output_file.hpp"
#include "observe/exit_names.hpp"
#include "observe/exit_profile.hpp"
#include "observe/symbols.hpp"
#include "vmm/config.hpp"

namespace rvvmm {

/// One hart's part, on that hart's thread.
class HartWatch final : public ExitObserver {
 public:
  explicit HartWatch(uint64_t start) : profile_(start) {}

  void on_exit(VcpuBackend& hart, const ExitRecord& exit) noexcept override {
    profile_.add(exit);
    if (profile_.wants_pc()) [[unlikely]]
      profile_.add_pc(hart.get(HartRegister::kPc).value_or(0));
  }
  const HartProfile& profile() const noexcept { return profile_; }

 private:
  HartProfile profile_;
};

/// The thread that makes machines. Without options that ask for it nobody watches, and no exit pays for it.
class ExitWatch {
 public:
  /// Opens the files. Throws SetupError (kUsage, kBadInput).
  explicit ExitWatch(const Config& config);
  ~ExitWatch();
  ExitWatch(const ExitWatch&) = delete;
  ExitWatch& operator=(const ExitWatch&) = delete;

  using Vcpus = std::span<const std::unique_ptr<VcpuBackend>>;

  /// Before the harts of a machine run.
  void begin(VmBackend& vm, Vcpus vcpus);
  /// When they run no more, and before the machine goes: takes over what was counted, with names.
  void gather(VmBackend& vm, Vcpus vcpus, const DeviceNames& devices);
  /// After the last machine: writes it. Throws SetupError (kInternal) where the file cannot take it.
  void finish();

 private:
  /// Only with --profile: a start without it does not pay for it.
  struct Profiling {
    std::optional<OutputFile> file = {};  ///< none: the table goes to stderr
    Symbols symbols = {};
    std::optional<uint64_t> start = {};  ///< of the first machine, in ticks
    std::vector<std::unique_ptr<HartWatch>> harts = {};
    ExitTimeline timeline = {};
    ExitProfile profile = {};

    void gather_hart(uint32_t hart, VcpuBackend& vcpu, const DeviceNames& devices);
    void add_pc(const HartProfile::Pc& pc);
    void add_timeline();
  };

  std::unique_ptr<Profiling> profiling_;
};

}  // namespace rvvmm

// --profile: what the exits of all machines of a run cost, and where that is written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/hypervisor.hpp"
#include "base/output_file.hpp"
#include "observe/exit_names.hpp"
#include "observe/exit_profile.hpp"
#include "observe/hart_profile.hpp"
#include "observe/symbols.hpp"
#include "vmm/options/config.hpp"

namespace rvvmm {

/// The main thread.
class ProfileRecorder {
 public:
  /// `config` has a profile. Opens its files. Throws SetupError (kUsage, kBadInput).
  explicit ProfileRecorder(const Config& config);
  /// Removes a file that nothing was written to.
  ~ProfileRecorder();
  ProfileRecorder(const ProfileRecorder&) = delete;
  ProfileRecorder& operator=(const ProfileRecorder&) = delete;

  /// Before the first machine: its clock's ticks a second, not 0.
  void set_timebase(uint64_t hz) noexcept { profile_.timebase_hz = hz; }

  /// Adds what a hart has counted, when it does not run any more, with the names of its machine.
  void add_hart(HartId hart, const HartProfile& counted, VcpuBackend& vcpu, const DeviceNames& devices);
  /// Adds what the hypervisor has counted of a machine as a whole.
  void add_machine(VmBackend& vm);

  /// After the last machine: writes the file, or the table on stderr. Throws SetupError (kInternal) where the file
  /// cannot take it.
  void finish();

 private:
  void add_pc(const HartProfile::Pc& pc);
  void add_timeline();

  std::optional<OutputFile> file_;  // none: the table goes to stderr
  Symbols symbols_;
  ExitTimeline timeline_;
  ExitProfile profile_;
};

}  // namespace rvvmm

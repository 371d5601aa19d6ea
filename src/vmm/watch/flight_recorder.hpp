// Writes the last exits of the harts when a guest fails or SIGUSR1 arrives.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/hypervisor.hpp"
#include "base/output_file.hpp"
#include "observe/exit_names.hpp"
#include "vmm/options/config.hpp"

namespace rvvmm {

/// Main thread only.
class FlightRecorder {
 public:
  /// Throws SetupError (kUsage) if the file of --flight-record cannot be written.
  explicit FlightRecorder(const Config& config);

  struct Machine {
    std::span<const std::unique_ptr<VcpuBackend>> vcpus;
    VmBackend& vm;
    const DeviceNames& devices;
    bool harts_run = false;    ///< true: the registers cannot be read
    std::string console = {};  ///< the last console output of the guest
  };

  /// Writes the record and replaces an earlier one. Returns the text for the user: where the record is, or why writing
  /// failed. Empty with --flight-record off.
  std::string write(std::string_view why, const Machine& machine) noexcept;

 private:
  void make_name();
  OutputFile open(OutputFile::Start start) const;

  bool off_ = false;
  std::string path_;  // empty: no file was given, and no file has been made yet
};

}  // namespace rvvmm

// What harts did last, written where a guest ends badly, or when SIGUSR1 asks for it.
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

/// The main thread.
class FlightRecorder {
 public:
  /// Throws SetupError (kUsage) where the file of --flight-record cannot be written.
  explicit FlightRecorder(const Config& config);

  struct Machine {
    std::span<const std::unique_ptr<VcpuBackend>> vcpus;
    VmBackend& vm;
    const DeviceNames& devices;
    bool harts_run = false;    ///< their registers are their own then
    std::string console = {};  ///< the last of what the guest wrote there
  };

  /// Writes the record, in place of an earlier one; what to tell the user: where it is, or why it is not. Empty with
  /// --flight-record off.
  std::string write(std::string_view why, const Machine& machine) noexcept;

 private:
  void make_name();
  OutputFile open(OutputFile::Start start) const;

  bool off_ = false;
  std::string path_;  // empty: none was given, and none has been made yet
};

}  // namespace rvvmm

// --trace: a line for each exit that somebody wants to see.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "base/hypervisor.hpp"
#include "base/mutex.hpp"
#include "base/output_file.hpp"
#include "observe/exit_line.hpp"
#include "observe/exit_matcher.hpp"
#include "vmm/options/config.hpp"

namespace rvvmm {

class ExitTracer {
 public:
  /// Opens the file; `config` has a trace. Throws SetupError (kUsage).
  explicit ExitTracer(const Config& config);
  ~ExitTracer();
  ExitTracer(const ExitTracer&) = delete;
  ExitTracer& operator=(const ExitTracer&) = delete;

  /// Before the harts of a machine run, which has these devices; time 0 is the first one's `now`. Throws SetupError
  /// (kUsage) where the trace names a device that there is not.
  void begin(uint64_t now, uint64_t timebase_hz, const DeviceNames& devices);

  /// On the hart's thread; any number of them.
  void on_exit(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) noexcept;

  /// From here on until the next begin() a line that its reader has no room for is lost: harts are to end. Any thread.
  void limit_waits() noexcept { waits_are_limited_ = true; }

 private:
  void write(std::string_view line) noexcept;
  std::string line_of(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) const;

  std::string what_;
  ExitMatcher matcher_;
  TraceFile form_;
  const DeviceNames* devices_ = nullptr;  // of the machine that runs
  std::optional<uint64_t> start_;
  TickScale ticks_{1};
  std::atomic<bool> failed_ = false;
  std::atomic<bool> waits_are_limited_ = false;
  Mutex mu_;
  std::optional<OutputFile> file_ GUARDED_BY(mu_);  // none: stderr
};

}  // namespace rvvmm

// --trace: writes a line for each selected exit.
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
  /// Opens the file; `config.trace` must be set. Throws SetupError (kUsage).
  explicit ExitTracer(const Config& config);
  ~ExitTracer();
  ExitTracer(const ExitTracer&) = delete;
  ExitTracer& operator=(const ExitTracer&) = delete;

  /// Called before the harts of a machine with these devices run. Time 0 is `now` of the first machine. Throws
  /// SetupError (kUsage) if the trace names a device that the machine does not have.
  void begin(uint64_t now, uint64_t timebase_hz, const DeviceNames& devices);

  /// On the hart's thread; several harts may call it at the same time.
  void on_exit(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) noexcept;

  /// The harts are about to end: until the next begin(), a line is lost if its reader has no room for it. Any thread.
  void limit_waits() noexcept { waits_are_limited_ = true; }

 private:
  void write(std::string_view line) noexcept;
  std::string line_of(HartId hart, VcpuBackend& vcpu, const ExitRecord& exit) const;

  std::string what_;
  ExitMatcher matcher_;
  TraceFile form_;
  const DeviceNames* devices_ = nullptr;  // of the current machine
  std::optional<uint64_t> start_;
  TickScale ticks_{1};
  std::atomic<bool> failed_ = false;
  std::atomic<bool> waits_are_limited_ = false;
  Mutex mu_;
  std::optional<OutputFile> file_ GUARDED_BY(mu_);  // nullopt: stderr
};

}  // namespace rvvmm

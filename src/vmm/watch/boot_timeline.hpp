// --boot-timeline: the times of events, from rvvmm's start through the guest's marks to the end.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/boot_marks.hpp"
#include "base/mutex.hpp"
#include "base/output_file.hpp"

namespace rvvmm {

/// Writes each event immediately, as one line with one JSON object (docs/command-line.md). Any thread.
class BootTimeline final : public BootMarks {
 public:
  /// Most lines of one run. The limit is needed because a guest can make any number of marks and resets. Only the line
  /// for the end is written beyond it.
  static constexpr uint32_t kMostLines = 10'000;

  /// Time 0 is the time of this call. Without a path nothing is recorded. Throws SetupError (kUsage).
  explicit BootTimeline(const std::optional<std::string>& path);
  ~BootTimeline() override;
  BootTimeline(const BootTimeline&) = delete;
  BootTimeline& operator=(const BootTimeline&) = delete;

  /// Records a step of rvvmm; `event` is plain text.
  void record(std::string_view event) noexcept;
  /// Records the end.
  void record_end() noexcept;
  bool mark(HartId hart, std::string_view name) noexcept override;

 private:
  double milliseconds() const noexcept;
  void record_locked(std::string_view event) noexcept REQUIRES(mu_);
  bool may_write() noexcept REQUIRES(mu_);
  bool write(std::string_view line) noexcept REQUIRES(mu_);

  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Mutex mu_;
  std::optional<OutputFile> file_ GUARDED_BY(mu_);
  uint32_t lines_ GUARDED_BY(mu_) = 0;
  bool failed_ GUARDED_BY(mu_) = false;  // the file stays open: another hart may be about to write
};

}  // namespace rvvmm

// --boot-timeline: when what happened, from rvvmm's start over the guest's own marks to the end.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/boot_marks.hpp"
#include "base/mutex.hpp"
#include "base/output_file.hpp"

namespace rvvmm {

/// Lines of JSON, one object each, written as they come (docs/command-line.md). Any thread.
class BootTimeline final : public BootMarks {
 public:
  /// Lines written in one run, marks and resets: both are the guest's to make. Only the end is written beyond them.
  static constexpr uint32_t kMostLines = 10'000;

  /// Time 0 is now. Without a path nothing is recorded. Throws SetupError (kUsage).
  explicit BootTimeline(const std::optional<std::string>& path);
  ~BootTimeline() override;
  BootTimeline(const BootTimeline&) = delete;
  BootTimeline& operator=(const BootTimeline&) = delete;

  /// A step of rvvmm's own; `event` is plain text.
  void record(std::string_view event) noexcept;
  /// The last one.
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
  bool failed_ GUARDED_BY(mu_) = false;  // not closed: another hart may be about to write
};

}  // namespace rvvmm

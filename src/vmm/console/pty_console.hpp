// A terminal of the guest's own (pty), for whoever opens it.
#pragma once

#include <string>

#include "base/fd.hpp"
#include "vmm/console/console_place.hpp"

namespace rvvmm {

/// Output is dropped while nobody has it open; then readers come and go as they like, and one who does not read is
/// waited for. Input is binary clean: nobody's keys are ours.
class PtyConsole final : public ConsolePlace {
 public:
  /// Says on stderr which one it is. Throws SetupError (kInternal).
  PtyConsole();

  /// "/dev/pts/5".
  const std::string& path() const noexcept { return path_; }

  int output_fd() const noexcept override { return master_.get(); }
  ConsoleHub::Reader reader() const noexcept override { return ConsoleHub::Reader::kComesAndGoes; }
  std::unique_ptr<ConsoleInput> take_input(const Parts& parts) override;
  std::optional<ConsoleSize> size() const noexcept override { return terminal_size(master_.get()); }

 private:
  Fd master_;
  std::string path_;
  Fd openings_;  // inotify: somebody has opened it
};

}  // namespace rvvmm

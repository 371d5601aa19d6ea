// The guest's console on a new pty, which any process may open.
#pragma once

#include <string>

#include "base/fd.hpp"
#include "vmm/console/console_place.hpp"

namespace rvvmm {

/// Output is dropped while no process has the pty open. Readers may come and go. Output waits for a reader that does
/// not read. Input is binary clean: there are no escape keys.
class PtyConsole final : public ConsolePlace {
 public:
  /// Prints the path of the pty on stderr. Throws SetupError (kInternal).
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
  Fd openings_;  // inotify: a process has opened the pty
};

}  // namespace rvvmm

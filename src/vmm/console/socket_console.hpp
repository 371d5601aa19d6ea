// The guest's console on a Unix socket: one client at a time.
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/fd.hpp"
#include "vmm/console/console_place.hpp"

namespace rvvmm {

/// Listens. The next client waits until the one before has gone, which a client also has that sends no more (EOF).
/// Output is dropped while there is none; a client that does not read is waited for. Input is binary clean.
class SocketConsole final : public ConsolePlace {
 public:
  /// Takes the place of a socket at `path` on which nobody listens any more. Throws SetupError (kUsage).
  explicit SocketConsole(const std::string& path);
  /// Removes the socket.
  ~SocketConsole() override;

  int output_fd() const noexcept override { return client_.get(); }
  ConsoleHub::Reader reader() const noexcept override { return ConsoleHub::Reader::kComesAndGoes; }
  std::unique_ptr<ConsoleInput> take_input(const Parts& parts) override;

 private:
  std::string path_;
  struct stat identity_{};  // of the socket that is ours to remove
  // The output's thread writes to this number whatever happens: behind it is a client or, as here, nobody.
  Fd client_;
  Fd nobody_;
  Fd listener_;
};

}  // namespace rvvmm

// The guest's console on a Unix socket: one client at a time.
#pragma once

#include <sys/stat.h>

#include <string>

#include "base/fd.hpp"
#include "vmm/console/console_place.hpp"

namespace rvvmm {

/// Listens on the socket. The next client waits until the current client has gone; an EOF from the client also counts
/// as gone. Output is dropped while there is no client. Output waits for a client that does not read. Input is binary
/// clean.
class SocketConsole final : public ConsolePlace {
 public:
  /// Replaces a socket at `path` if no process listens on it. Throws SetupError (kUsage).
  explicit SocketConsole(const std::string& path);
  /// Removes the socket.
  ~SocketConsole() override;

  int output_fd() const noexcept override { return client_.get(); }
  ConsoleHub::Reader reader() const noexcept override { return ConsoleHub::Reader::kComesAndGoes; }
  std::unique_ptr<ConsoleInput> take_input(const Parts& parts) override;

 private:
  std::string path_;
  struct stat identity_{};  // of the socket that the destructor removes
  // The output thread always writes to this descriptor number. It is the client, or /dev/null while there is no client.
  Fd client_;
  Fd nobody_;
  Fd listener_;
};

}  // namespace rvvmm

// The host's network without privileges: passt, a program of its own, that we start and stop.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "devices/net/host_routes.hpp"
#include "devices/net/stream_backend.hpp"

namespace rvvmm {

/// Connections to the host's port arrive at the guest's.
struct PortForward {
  bool udp = false;            ///< else TCP
  std::string host_address{};  ///< empty: all of the host's
  uint16_t host_port = 0;
  uint16_t guest_port = 0;
};

struct PasstOptions {
  std::string program = "passt";  ///< looked for in PATH
  std::vector<PortForward> forwards;
};

/// passt turns the guest's TCP, UDP and pings into sockets of its own, with the rights of whoever started us. The guest
/// is 10.0.2.15/24 (by DHCP, or set by hand); the host's loopback is at 10.0.2.2, which is its router, and the host's
/// name server at 10.0.2.3. With IPv6 it has what the host has.
class Passt final : public StreamBackend {
 public:
  /// Returns when passt listens at its ports. Throws SetupError with the text that follows "--net ".
  static std::unique_ptr<Passt> launch(const PasstOptions& options);
  /// Ends passt.
  ~Passt() override;

  std::string why() const override;
  pid_t pid() const noexcept { return pid_; }

 private:
  Passt(Fd socket, pid_t pid, Fd errors) : StreamBackend(std::move(socket)), pid_(pid), errors_(std::move(errors)) {}
  void end() noexcept;
  void wait_until_ready(int ready, const std::string& program);

  pid_t pid_;
  Fd errors_;  // what it says on stderr
};

/// What passt is called with; `socket` is its end. Without `routes`, what the host has passt finds out alone.
std::vector<std::string> passt_arguments(const PasstOptions& options, int socket,
                                         const std::optional<HostRoutes>& routes);

}  // namespace rvvmm

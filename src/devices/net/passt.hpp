// The host's network without privileges, by passt: a separate program that rvvmm starts and stops.
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

/// Forwards connections to the host's port to the guest's port.
struct PortForward {
  bool udp = false;            ///< else TCP
  std::string host_address{};  ///< empty: all addresses of the host
  uint16_t host_port = 0;
  uint16_t guest_port = 0;
};

struct PasstOptions {
  std::string program = "passt";  ///< searched in PATH
  std::vector<PortForward> forwards;
};

/// passt turns the guest's TCP, UDP and pings into sockets of its own, with the rights of the user who started rvvmm.
/// The guest is 10.0.2.15/24 (by DHCP, or set by hand). Its router is 10.0.2.2, which is also the host's loopback. The
/// host's name server is at 10.0.2.3. For IPv6 the guest has what the host has.
class Passt final : public StreamBackend {
 public:
  /// Returns when passt listens on its ports. Throws SetupError with the text that follows "--net ".
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
  Fd errors_;  // passt's stderr
};

/// The arguments of passt; `socket` is passt's end. Without `routes`, passt itself finds out what the host has.
std::vector<std::string> passt_arguments(const PasstOptions& options, int socket,
                                         const std::optional<HostRoutes>& routes);

}  // namespace rvvmm

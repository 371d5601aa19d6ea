// The host's default routes: the interfaces that packets to the internet leave by.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace rvvmm {

/// Interface names; empty: the host has no such route.
struct HostRoutes {
  std::string ipv4;
  std::string ipv6;

  friend bool operator==(const HostRoutes&, const HostRoutes&) = default;
};

/// Asks the kernel by rtnetlink(7) which routes packets to the internet would take. The answer respects all of the
/// host's rules and tables. nullopt: the kernel does not answer.
std::optional<HostRoutes> find_host_routes();

/// The interface index in an answer to RTM_GETROUTE; 0: no such route. nullopt: this is not an answer.
std::optional<unsigned> interface_of_answer(std::span<const std::byte> answer) noexcept;

}  // namespace rvvmm

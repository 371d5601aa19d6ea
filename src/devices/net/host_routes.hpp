// Where the host sends what is for the internet.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>

namespace rvvmm {

/// Names of interfaces; empty: the host has no such route.
struct HostRoutes {
  std::string ipv4;
  std::string ipv6;

  friend bool operator==(const HostRoutes&, const HostRoutes&) = default;
};

/// Asks the kernel, by rtnetlink(7), for the routes that packets would take: by whatever rules and tables there are.
/// nullopt where it does not answer.
std::optional<HostRoutes> find_host_routes();

/// The index of the interface that an answer to RTM_GETROUTE names; 0: there is no such route. nullopt for anything
/// else than an answer.
std::optional<unsigned> interface_of_answer(std::span<const std::byte> answer) noexcept;

}  // namespace rvvmm

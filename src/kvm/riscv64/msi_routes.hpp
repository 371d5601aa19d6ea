// Eventfds that KVM turns into messages without rvvmm: irqfds and MSI routes of a VM with an in-kernel AIA.
#pragma once

#include <cstddef>
#include <vector>

#include "base/irq.hpp"
#include "base/log.hpp"
#include "base/mutex.hpp"

namespace rvvmm {

/// See MsiSink. Any thread; guarded by mu_.
class MsiRoutes {
 public:
  /// The caller owns `vm_fd`, which must outlive this object.
  explicit MsiRoutes(int vm_fd) noexcept : vm_fd_(vm_fd) {}

  bool connect(int eventfd, const MsiMessage& message) noexcept;
  void disconnect(int eventfd) noexcept;

 private:
  /// What a GSI of KVM stands for. The index in `routes_` is the GSI.
  struct Route {
    int eventfd = -1;  // -1: free
    MsiMessage message;
  };

  Route* find(int eventfd) noexcept REQUIRES(mu_);
  Route* free_route() noexcept REQUIRES(mu_);
  bool set_routes() noexcept REQUIRES(mu_);
  bool set_irqfd(const Route& route, unsigned flags) noexcept REQUIRES(mu_);
  void log_refusal(const char* what, int error) noexcept;

  const int vm_fd_;
  Mutex mu_;
  std::vector<Route> routes_ GUARDED_BY(mu_);
  std::vector<std::byte> table_ GUARDED_BY(mu_);    // KVM's routing table, with room for all routes
  log::RateLimit refusals_{"routes for messages"};  // because a guest can rewrite its vectors without limit
};

}  // namespace rvvmm

// Eventfds that KVM turns into messages by itself: irqfds and the routes of a VM with an in-kernel AIA.
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
  /// `vm_fd` stays the caller's and outlives it.
  explicit MsiRoutes(int vm_fd) noexcept : vm_fd_(vm_fd) {}

  bool connect(int eventfd, const MsiMessage& message) noexcept;
  void disconnect(int eventfd) noexcept;

 private:
  /// What an interrupt number (GSI) of KVM stands for; its index is the number.
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
  std::vector<std::byte> table_ GUARDED_BY(mu_);    // of KVM, with room for all of them
  log::RateLimit refusals_{"routes for messages"};  // a guest may write its vectors as often as it likes
};

}  // namespace rvvmm

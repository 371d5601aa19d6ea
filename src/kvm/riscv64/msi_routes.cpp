#include "kvm/riscv64/msi_routes.hpp"

#include <linux/kvm.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <new>

#include "kvm/riscv64/kvm_ioctl.hpp"

namespace rvvmm {

namespace {

/// struct kvm_irq_routing ends with the entries.
constexpr size_t kTableHead = offsetof(kvm_irq_routing, entries);

}  // namespace

MsiRoutes::Route* MsiRoutes::find(int eventfd) noexcept {
  const auto found = std::ranges::find(routes_, eventfd, &Route::eventfd);
  return found == routes_.end() ? nullptr : &*found;
}

// The guest controls the number of routes and when they are made, so memory may run out.
MsiRoutes::Route* MsiRoutes::free_route() noexcept {
  if (Route* const route = find(-1); route != nullptr) return route;
  try {
    table_.resize(kTableHead + (routes_.size() + 1) * sizeof(kvm_irq_routing_entry));
    return &routes_.emplace_back();
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

bool MsiRoutes::connect(int eventfd, const MsiMessage& message) noexcept {
  const LockGuard lock{mu_};
  if (Route* const known = find(eventfd); known != nullptr) {
    known->message = message;  // KVM updates the irqfd when its route changes
    return set_routes();
  }
  Route* const route = free_route();
  if (route == nullptr) {
    log_refusal("a route", ENOMEM);
    return false;
  }
  *route = {.eventfd = eventfd, .message = message};
  if (set_routes() && set_irqfd(*route, 0)) return true;
  *route = {};
  return false;
}

void MsiRoutes::disconnect(int eventfd) noexcept {
  const LockGuard lock{mu_};
  Route* const route = find(eventfd);
  if (route == nullptr) return;
  set_irqfd(*route, KVM_IRQFD_FLAG_DEASSIGN);
  // KVM detaches an irqfd some time after the call, and until then a signal is sent by the route. So the route stays in
  // KVM's current table and is left out of the next one.
  *route = {};
}

// KVM_SET_GSI_ROUTING replaces the whole table: api.rst, 4.52. It drops the entries that KVM_CREATE_DEVICE made for the
// wired inputs. That does no harm, because KVM_IRQ_LINE does not use them (Linux, arch/riscv/kvm/vm.c,
// kvm_vm_ioctl_irq_line).
bool MsiRoutes::set_routes() noexcept {
  uint32_t count = 0;
  for (size_t gsi = 0; gsi < routes_.size(); ++gsi) {
    const Route& route = routes_[gsi];
    if (route.eventfd < 0) continue;
    kvm_irq_routing_entry entry{};
    entry.gsi = static_cast<uint32_t>(gsi);
    entry.type = KVM_IRQ_ROUTING_MSI;
    entry.u.msi.address_lo = static_cast<uint32_t>(route.message.address);
    entry.u.msi.address_hi = static_cast<uint32_t>(route.message.address >> 32);
    entry.u.msi.data = route.message.data;
    std::memcpy(table_.data() + kTableHead + count++ * sizeof entry, &entry, sizeof entry);
  }
  const kvm_irq_routing head{.nr = count, .flags = 0};
  std::memcpy(table_.data(), &head, kTableHead);
  if (kvm_ioctl(vm_fd_, KVM_SET_GSI_ROUTING, table_.data()) == 0) return true;
  log_refusal("KVM_SET_GSI_ROUTING", errno);
  return false;
}

bool MsiRoutes::set_irqfd(const Route& route, unsigned flags) noexcept {
  const kvm_irqfd irqfd{.fd = static_cast<uint32_t>(route.eventfd),
                        .gsi = static_cast<uint32_t>(&route - routes_.data()),
                        .flags = flags,
                        .resamplefd = 0,
                        .pad = {}};
  if (kvm_ioctl(vm_fd_, KVM_IRQFD, &irqfd) == 0) return true;
  log_refusal("KVM_IRQFD", errno);
  return false;
}

void MsiRoutes::log_refusal(const char* what, int error) noexcept {
  if (!refusals_.allow()) return;
  log::line(log::Module::kKvm, log::Level::kInfo, "{} for a message: errno {}; rvvmm sends it itself ({} times so far)",
            what, error, refusals_.count());
}

}  // namespace rvvmm

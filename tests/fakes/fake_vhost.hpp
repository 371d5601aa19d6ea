// The kernel's side of a vhost-net descriptor: remembers what it was told, and refuses what a test says.
#pragma once

#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/eventfd.hpp"
#include "devices/net/vhost_abi.hpp"
#include "devices/net/vhost_net.hpp"

namespace rvvmm {

/// What one instance knows; outlives it. One thread.
struct FakeVhostRecord {
  struct Ring {
    unsigned size = 0;
    unsigned base = 0;  ///< next available request: set by the device, moved by tests
    vhost_vring_addr addresses{};
    int kick = -1;
    int call = -1;
    int error = -1;
    int backend = -1;
  };

  /// Asks the driver to be interrupted, and tells that it has broken the ring.
  void signal_call(size_t ring) const { add_one(rings[ring].call); }
  void signal_error(size_t ring) const { add_one(rings[ring].error); }
  bool running(size_t ring) const noexcept { return rings[ring].backend >= 0 && rings[ring].kick >= 0; }

  uint64_t offered = UINT64_MAX;  ///< features
  unsigned long refused = 0;      ///< this request fails with EFAULT
  bool owned = false;
  uint64_t features = 0;
  vhost_memory_region memory{};
  std::array<Ring, 2> rings;
  std::vector<unsigned long> requests;
};

class FakeVhost final : public VhostCalls {
 public:
  explicit FakeVhost(FakeVhostRecord& record) noexcept : record_(record) {}

  int call(unsigned long request, void* argument) noexcept override {
    record_.requests.push_back(request);
    if (request == record_.refused) {
      errno = EFAULT;
      return -1;
    }
    if (request != VHOST_SET_OWNER && !record_.owned) {
      errno = EPERM;
      return -1;
    }
    return obey(request, argument);
  }

 private:
  template <typename T>
  static T from(const void* argument) noexcept {
    T value;
    std::memcpy(&value, argument, sizeof value);
    return value;
  }
  FakeVhostRecord::Ring& ring(const void* argument) noexcept { return record_.rings[from<unsigned>(argument)]; }

  int obey(unsigned long request, void* argument) noexcept {
    switch (request) {
      case VHOST_SET_OWNER: record_.owned = true; break;
      case VHOST_GET_FEATURES: std::memcpy(argument, &record_.offered, sizeof record_.offered); break;
      case VHOST_SET_FEATURES: record_.features = from<uint64_t>(argument); break;
      case VHOST_SET_MEM_TABLE: set_memory(argument); break;
      case VHOST_SET_VRING_NUM: return set_unless_running(argument, &FakeVhostRecord::Ring::size);
      case VHOST_SET_VRING_BASE: return set_unless_running(argument, &FakeVhostRecord::Ring::base);
      case VHOST_GET_VRING_BASE: {
        const vhost_vring_state state{.index = from<unsigned>(argument), .num = ring(argument).base};
        std::memcpy(argument, &state, sizeof state);
        break;
      }
      case VHOST_SET_VRING_ADDR: ring(argument).addresses = from<vhost_vring_addr>(argument); break;
      case VHOST_SET_VRING_KICK: ring(argument).kick = from<vhost_vring_file>(argument).fd; break;
      case VHOST_SET_VRING_CALL: ring(argument).call = from<vhost_vring_file>(argument).fd; break;
      case VHOST_SET_VRING_ERR: ring(argument).error = from<vhost_vring_file>(argument).fd; break;
      case VHOST_NET_SET_BACKEND: ring(argument).backend = from<vhost_vring_file>(argument).fd; break;
      default: errno = ENOTTY; return -1;
    }
    return 0;
  }
  void set_memory(const void* argument) noexcept {
    if (from<unsigned>(argument) != 1) return;
    record_.memory = from<vhost_memory_region>(static_cast<const std::byte*>(argument) + sizeof(vhost_memory));
  }
  // As the kernel has it: EBUSY.
  int set_unless_running(const void* argument, unsigned FakeVhostRecord::Ring::* value) noexcept {
    if (ring(argument).backend >= 0) {
      errno = EBUSY;
      return -1;
    }
    ring(argument).*value = from<vhost_vring_state>(argument).num;
    return 0;
  }

  FakeVhostRecord& record_;
};

}  // namespace rvvmm

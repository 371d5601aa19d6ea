#include "devices/net/vhost_net.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <format>
#include <utility>

#include "base/error.hpp"
#include "base/eventfd.hpp"
#include "devices/net/net_backend.hpp"
#include "devices/net/vhost_abi.hpp"
#include "devices/virtio/virtio_device.hpp"

namespace rvvmm {
namespace {

constexpr const char* kVhostDevice = "/dev/vhost-net";

/// The features of a driver that concern vhost; the others concern the tap. We offer all of them, so vhost must have
/// them.
constexpr uint64_t kFeatures = kVirtioVersion1 | kVirtioEventIdx | kVirtioIndirectDescriptors | kNetMergeBuffers;

class VhostDescriptor final : public VhostCalls {
 public:
  explicit VhostDescriptor(Fd fd) noexcept : fd_(std::move(fd)) {}
  int call(unsigned long request, void* argument) noexcept override { return ::ioctl(fd_.get(), request, argument); }

 private:
  Fd fd_;
};

/// Guest memory is one region: struct vhost_memory, followed by its only entry.
struct MemoryTable {
  uint32_t regions = 1;
  uint32_t padding = 0;
  vhost_memory_region region{};
};
static_assert(offsetof(MemoryTable, region) == sizeof(vhost_memory));

uint64_t address_of(const void* at) noexcept {
  return reinterpret_cast<uintptr_t>(at);
}

}  // namespace

std::unique_ptr<VhostNet> VhostNet::open() {
  Fd fd{::open(kVhostDevice, O_RDWR | O_CLOEXEC)};
  if (!fd) {
    const int error = errno;
    std::string hint;
    if (error == ENOENT || error == ENODEV || error == ENXIO) hint = " (is the kernel module vhost_net loaded?)";
    if (error == EACCES || error == EPERM) hint = " (its permissions exclude this user)";
    throw SetupError{ExitStatus::kHostUnsupported,
                     std::format("cannot open {}: {}{}", kVhostDevice, std::strerror(error), hint)};
  }
  return std::make_unique<VhostNet>(std::make_unique<VhostDescriptor>(std::move(fd)));
}

VhostNet::VhostNet(std::unique_ptr<VhostCalls> calls) : calls_(std::move(calls)) {
  for (Ring& ring : rings_) {
    ring.call = open_eventfd("vhost-net: eventfd");
    ring.error = open_eventfd("vhost-net: eventfd");
  }
  // The kernel creates its thread here. From now on that thread works in our address space.
  uint64_t features = 0;
  if (!call(VHOST_SET_OWNER, nullptr, "VHOST_SET_OWNER") ||
      !call(VHOST_GET_FEATURES, &features, "VHOST_GET_FEATURES")) {
    throw SetupError{ExitStatus::kHostUnsupported, why()};
  }
  if ((features & kFeatures) != kFeatures) {
    throw SetupError{ExitStatus::kHostUnsupported,
                     std::format("this kernel's vhost-net lacks features {:#x}", kFeatures & ~features)};
  }
}

VhostNet::~VhostNet() {
  for (const Side side : {Side::kReceive, Side::kTransmit}) {
    if (ring(side).started) detach(side);
  }
}

bool VhostNet::call(unsigned long request, void* argument, std::string_view what) noexcept {
  if (calls_->call(request, argument) >= 0) return true;
  errno_ = errno;
  refused_ = what;
  return false;
}

std::string VhostNet::why() const {
  return std::format("vhost-net refuses {}: {}", refused_, std::strerror(errno_));
}

bool VhostNet::start(Side side, const Virtqueue& queue, const Connections& connections) noexcept {
  if (ring(side).started) return true;
  uint64_t features = connections.features & kFeatures;
  take_count(error_fd(side));  // left by a previous driver
  ring(side).started = call(VHOST_SET_FEATURES, &features, "VHOST_SET_FEATURES") && set_memory(queue.memory()) &&
                       set_ring(side, queue, connections.kick) && set_backend(side, connections.tap);
  if (ring(side).started) return true;
  // Otherwise each kick would wake the kernel's thread for nothing. why() still names the step that was refused first.
  vhost_vring_file no_kick{.index = static_cast<unsigned>(side), .fd = -1};
  calls_->call(VHOST_SET_VRING_KICK, &no_kick);
  return false;
}

bool VhostNet::set_memory(const GuestMemory& memory) noexcept {
  MemoryTable table;
  table.region = {.guest_phys_addr = memory.range().base.value,
                  .memory_size = memory.range().size,
                  .userspace_addr = address_of(memory.bytes().data()),
                  .flags_padding = 0};
  return call(VHOST_SET_MEM_TABLE, &table, "VHOST_SET_MEM_TABLE");
}

// Virtqueue::create() has checked that all of the rings is in RAM. vhost checks what is in them.
bool VhostNet::set_ring(Side side, const Virtqueue& queue, int kick) noexcept {
  const auto index = static_cast<unsigned>(side);
  vhost_vring_state size{.index = index, .num = queue.size()};
  vhost_vring_state base{.index = index, .num = queue.state().next_available};
  const Virtqueue::Rings rings = queue.rings();
  vhost_vring_addr addresses{.index = index,
                             .flags = 0,
                             .desc_user_addr = address_of(rings.descriptors),
                             .used_user_addr = address_of(rings.used),
                             .avail_user_addr = address_of(rings.available),
                             .log_guest_addr = 0};
  return call(VHOST_SET_VRING_NUM, &size, "VHOST_SET_VRING_NUM") &&
         call(VHOST_SET_VRING_BASE, &base, "VHOST_SET_VRING_BASE") &&
         call(VHOST_SET_VRING_ADDR, &addresses, "VHOST_SET_VRING_ADDR") &&
         set_eventfd(VHOST_SET_VRING_ERR, side, error_fd(side), "VHOST_SET_VRING_ERR") &&
         set_eventfd(VHOST_SET_VRING_CALL, side, call_fd(side), "VHOST_SET_VRING_CALL") &&
         set_eventfd(VHOST_SET_VRING_KICK, side, kick, "VHOST_SET_VRING_KICK");
}

bool VhostNet::set_eventfd(unsigned long request, Side side, int eventfd, std::string_view what) noexcept {
  vhost_vring_file file{.index = static_cast<unsigned>(side), .fd = eventfd};
  return call(request, &file, what);
}

bool VhostNet::set_backend(Side side, int tap) noexcept {
  vhost_vring_file file{.index = static_cast<unsigned>(side), .fd = tap};
  return call(VHOST_NET_SET_BACKEND, &file, "VHOST_NET_SET_BACKEND");
}

// Kicks first: without kicks and without a backend, nothing wakes the kernel's thread for this queue any more. Each
// call returns when that thread has finished its present work.
uint16_t VhostNet::detach(Side side) noexcept {
  ring(side).started = false;
  set_eventfd(VHOST_SET_VRING_KICK, side, -1, "VHOST_SET_VRING_KICK");
  set_backend(side, -1);
  vhost_vring_state base{.index = static_cast<unsigned>(side), .num = 0};
  call(VHOST_GET_VRING_BASE, &base, "VHOST_GET_VRING_BASE");
  return static_cast<uint16_t>(base.num);
}

bool VhostNet::stop(Side side, Virtqueue& queue) noexcept {
  if (!ring(side).started) return false;
  queue.take_back(detach(side));
  return true;
}

}  // namespace rvvmm

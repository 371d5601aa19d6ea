#include "devices/net/tap_backend.hpp"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <format>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"

namespace rvvmm {
namespace {

constexpr const char* kTunDevice = "/dev/net/tun";
constexpr short kTapFlags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;

// Since Linux 6.2; older headers lack them.
constexpr unsigned kTunUso4 = 0x20;
constexpr unsigned kTunUso6 = 0x40;

struct Offload {
  uint64_t guest;  ///< what the driver accepted
  unsigned tun;    ///< what the kernel may then hand over
};
constexpr std::array<Offload, 5> kOffloads{{{kNetGuestTso4, TUN_F_TSO4},
                                            {kNetGuestTso6, TUN_F_TSO6},
                                            {kNetGuestEcn, TUN_F_TSO_ECN},
                                            {kNetGuestUso4, kTunUso4},
                                            {kNetGuestUso6, kTunUso6}}};

constexpr uint64_t kTsoFeatures =
    kNetCsum | kNetGuestCsum | kNetGuestTso4 | kNetGuestTso6 | kNetGuestEcn | kNetHostTso4 | kNetHostTso6 | kNetHostEcn;
constexpr uint64_t kUsoFeatures = kNetGuestUso4 | kNetGuestUso6 | kNetHostUso;

unsigned tun_offloads(uint64_t features) noexcept {
  if ((features & kNetGuestCsum) == 0) return 0;
  unsigned offloads = TUN_F_CSUM;
  for (const Offload& offload : kOffloads) {
    if ((features & offload.guest) != 0) offloads |= offload.tun;
  }
  // The kernel accepts ECN only with a TSO, and USO only for both versions of IP.
  if ((offloads & (TUN_F_TSO4 | TUN_F_TSO6)) == 0) offloads &= ~unsigned{TUN_F_TSO_ECN};
  if ((offloads & (kTunUso4 | kTunUso6)) != (kTunUso4 | kTunUso6)) offloads &= ~(kTunUso4 | kTunUso6);
  return offloads;
}

bool set_offloads(int fd, uint64_t features) noexcept {
  return ::ioctl(fd, TUNSETOFFLOAD, tun_offloads(features)) == 0;
}

ifreq interface_request(const std::string& interface) noexcept {
  ifreq request{};
  interface.copy(request.ifr_name, IFNAMSIZ - 1);
  return request;
}

SetupError tun_error(const std::string& option, int error) {
  std::string why;
  auto status = ExitStatus::kHostUnsupported;
  switch (error) {
    case EPERM:
    case EACCES:
      why =
          "not permitted: it belongs to another user, or it does not exist and making it needs CAP_NET_ADMIN "
          "(as root: ip tuntap add dev NAME mode tap user USER)";
      break;
    case EBUSY: why = "it is in use by another program"; break;
    case EINVAL:
      why =
          "it is not a tap interface, or it was made with other flags (queues above 1 need an interface made with "
          "multi_queue, and such an interface needs queues above 1)";
      status = ExitStatus::kUsage;
      break;
    case E2BIG: why = "it does not have that many queues"; break;
    default: why = std::strerror(error); break;
  }
  return {status, std::format("{}: {}", option, why)};
}

Fd open_tun(const std::string& option) {
  Fd fd{::open(kTunDevice, O_RDWR | O_NONBLOCK | O_CLOEXEC)};
  if (fd) return fd;
  const int error = errno;
  std::string hint;
  if (error == ENOENT || error == ENODEV || error == ENXIO) hint = " (is the kernel module tun loaded?)";
  if (error == EACCES || error == EPERM) hint = " (its permissions exclude this user)";
  throw SetupError{ExitStatus::kHostUnsupported,
                   std::format("{}: cannot open {}: {}{}", option, kTunDevice, std::strerror(error), hint)};
}

}  // namespace

std::unique_ptr<TapBackend> TapBackend::open(const std::string& name, uint16_t pairs) {
  const std::string option = "tap=" + name;
  if (name.empty() || name.size() >= IFNAMSIZ) {
    throw SetupError{ExitStatus::kUsage, std::format("{}: an interface's name has 1 to 15 characters", option)};
  }
  // The kernel would take % as a pattern and invent a name, a different one for each queue.
  if (name.contains('%')) {
    throw SetupError{ExitStatus::kUsage, std::format("{}: an interface's name has no %; give one like tap0", option)};
  }
  std::vector<Fd> queues;
  for (uint16_t pair = 0; pair < pairs; ++pair) {
    Fd fd = open_tun(option);
    ifreq request = interface_request(name);
    request.ifr_flags = static_cast<short>(kTapFlags | (pairs > 1 ? IFF_MULTI_QUEUE : 0));
    if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) throw tun_error(option, errno);
    queues.push_back(std::move(fd));
  }
  return std::unique_ptr<TapBackend>{new TapBackend{option, name, std::move(queues)}};
}

std::unique_ptr<TapBackend> TapBackend::inherited(int fd) {
  const std::string option = std::format("fd={}", fd);
  ifreq request{};
  if (::ioctl(fd, TUNGETIFF, &request) != 0) {
    throw SetupError{ExitStatus::kUsage, std::format("{}: it is not an open descriptor of a tap interface", option)};
  }
  if ((request.ifr_flags & kTapFlags) != kTapFlags) {
    throw SetupError{ExitStatus::kUsage,
                     std::format("{}: the interface needs the flags IFF_TAP, IFF_NO_PI and IFF_VNET_HDR", option)};
  }
  std::vector<Fd> queues;
  queues.emplace_back(fd);
  const int flags = ::fcntl(fd, F_GETFL);
  if (::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    throw SetupError::from_errno(ExitStatus::kInternal, option + ": fcntl", errno);
  }
  return std::unique_ptr<TapBackend>{
      new TapBackend{option, static_cast<const char*>(request.ifr_name), std::move(queues)}};
}

TapBackend::TapBackend(const std::string& option, std::string interface, std::vector<Fd> queues)
    : interface_(std::move(interface)), queues_(std::move(queues)), active_(queue_pairs()) {
  const int tap = queues_[0].get();
  const int header = sizeof(VirtioNetHeader);
  if (::ioctl(tap, TUNSETVNETHDRSZ, &header) != 0) throw tun_error(option, errno);
  if (set_offloads(tap, kTsoFeatures | kUsoFeatures)) {
    features_ = kTsoFeatures | kUsoFeatures;
  } else if (set_offloads(tap, kTsoFeatures)) {
    features_ = kTsoFeatures;
  }
  set_offloads(tap, 0);
  // Any socket can be used to ask about an interface.
  const Fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  ifreq request = interface_request(interface_);
  if (::ioctl(socket.get(), SIOCGIFMTU, &request) == 0 && request.ifr_mtu >= 68 && request.ifr_mtu <= UINT16_MAX) {
    mtu_ = static_cast<uint16_t>(request.ifr_mtu);
    features_ |= kNetMtu;
  }
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) == 0) {
    log::line(log::Module::kDevices, log::Level::kWarn,
              "tap {} is down, so nothing passes: ip link set {} up, and give it an address or a bridge", interface_,
              interface_);
  }
}

void TapBackend::start(uint64_t features) noexcept {
  set_offloads(queues_[0].get(), features);
}

// A queue that the driver does not read must get no frames: the kernel would send a share of the flows there.
void TapBackend::use_pairs(uint16_t active) noexcept {
  for (uint16_t pair = 0; pair < queue_pairs(); ++pair) {
    const bool attach = pair < active;
    if (attach == (pair < active_)) continue;
    ifreq request{};
    request.ifr_flags = attach ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
    ::ioctl(queues_[pair].get(), TUNSETQUEUE, &request);
  }
  active_ = active;
}

NetReceived TapBackend::receive(uint16_t pair, std::span<const iovec> buffers) noexcept {
  const ssize_t got = ::readv(queues_[pair].get(), buffers.data(), static_cast<int>(buffers.size()));
  if (got >= 0) return {.io = NetIo::kDone, .bytes = static_cast<size_t>(got)};
  if (errno == EAGAIN || errno == EINTR) return {.io = NetIo::kLater};
  errno_ = errno;
  return {.io = NetIo::kGone};
}

NetIo TapBackend::send(uint16_t pair, std::span<const iovec> frame) noexcept {
  const ssize_t sent = ::writev(queues_[pair].get(), frame.data(), static_cast<int>(frame.size()));
  if (sent >= 0) return NetIo::kDone;
  if (errno == EAGAIN || errno == EINTR) return NetIo::kLater;
  // EIO: the interface is down, which can change. EINVAL and others: the kernel does not accept the header.
  if (errno != EBADFD) return NetIo::kRefused;
  errno_ = errno;
  return NetIo::kGone;
}

// A watch on the tap's own descriptor would report its end, but also every frame. rtnetlink(7) reports only changes, of
// any interface of this network namespace.
int TapBackend::watch_fd() noexcept {
  if (link_news_) return link_news_.get();
  Fd news{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE)};
  if (!news) return -1;
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (::bind(news.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0)
    link_news_ = std::move(news);
  return link_news_.get();
}

// The content of the messages does not matter, nor whether some were lost (ENOBUFS): the tap's descriptor is asked.
bool TapBackend::has_gone() noexcept {
  char byte = 0;
  while (::recv(link_news_.get(), &byte, sizeof byte, MSG_TRUNC) >= 0 || errno == ENOBUFS) {
  }
  pollfd tap{.fd = queues_[0].get(), .events = 0, .revents = 0};
  if (::poll(&tap, 1, 0) != 1 || (tap.revents & POLLERR) == 0) return false;
  errno_ = EBADFD;
  return true;
}

std::string TapBackend::why() const {
  if (errno_ == EBADFD) return std::format("the tap interface {} was deleted", interface_);
  return std::format("the tap interface {} cannot be read: {}", interface_, std::strerror(errno_));
}

}  // namespace rvvmm

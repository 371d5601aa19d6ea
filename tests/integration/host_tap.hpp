// A tap interface of the host, with an address, for a guest to be connected to.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/fd.hpp"
#include "web_server.hpp"

namespace rvvmm::test {

/// There from its making to remove() or its end, whoever uses it. Needs root.
class HostTap {
 public:
  static bool possible() {
    if (::geteuid() != 0) return false;
    // The emulated host has only the modules that all tests need.
    const bool loaded = exist("/dev/net/tun") && exist("/dev/vhost-net");
    return loaded || std::system("modprobe -a tun vhost_net 2>/dev/null") == 0 || exist("/dev/net/tun");
  }
  static bool with_vhost() { return possible() && exist("/dev/vhost-net"); }

  /// The host is `address`, in a network of 24 bits.
  HostTap(const char* name, const char* address, short more_flags = 0) : name_(name), flags_(more_flags) {
    EXPECT_TRUE(persist(true)) << std::strerror(errno);
    const Fd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    ifreq request = named();
    const sockaddr_in in = internet_address(address, 0);
    std::memcpy(&request.ifr_addr, &in, sizeof in);
    EXPECT_EQ(::ioctl(socket.get(), SIOCSIFADDR, &request), 0) << std::strerror(errno);
    request = named();
    const sockaddr_in mask = internet_address("255.255.255.0", 0);
    std::memcpy(&request.ifr_netmask, &mask, sizeof mask);
    EXPECT_EQ(::ioctl(socket.get(), SIOCSIFNETMASK, &request), 0) << std::strerror(errno);
    set_up(true);
  }
  ~HostTap() { persist(false); }
  HostTap(const HostTap&) = delete;
  HostTap& operator=(const HostTap&) = delete;

  void set_up(bool up) const {
    const Fd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    ifreq request = named();
    request.ifr_flags = static_cast<short>(up ? IFF_UP | IFF_RUNNING : 0);
    EXPECT_EQ(::ioctl(socket.get(), SIOCSIFFLAGS, &request), 0) << std::strerror(errno);
  }
  /// Also while somebody uses it.
  void remove() const {
    const std::string command = "ip link delete " + name_;
    EXPECT_EQ(std::system(command.c_str()), 0);
  }

 private:
  static bool exist(const char* device) { return ::access(device, R_OK | W_OK) == 0; }
  ifreq named() const {
    ifreq request{};
    name_.copy(request.ifr_name, IFNAMSIZ - 1);
    return request;
  }
  bool persist(bool stay) const {
    const Fd tun{::open("/dev/net/tun", O_RDWR | O_CLOEXEC)};
    ifreq request = named();
    request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags_);
    return ::ioctl(tun.get(), TUNSETIFF, &request) == 0 && ::ioctl(tun.get(), TUNSETPERSIST, stay ? 1 : 0) == 0;
  }

  const std::string name_;
  const short flags_;
};

}  // namespace rvvmm::test

#include "devices/net/tap_backend.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "base/error.hpp"
#include "unit/devices/setup_failure.hpp"

namespace rvvmm::tap_backend_test {
namespace {

constexpr size_t kHeader = sizeof(VirtioNetHeader);

/// Runs `test` on a thread with a network of its own; skips it where that is not allowed, or there are no taps.
void in_own_network(const std::function<void()>& test) {
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/net/tun";
  bool allowed = true;
  std::thread{[&] {
    allowed = ::unshare(CLONE_NEWNET) == 0;
    if (allowed) test();
  }}.join();
  if (!allowed) GTEST_SKIP() << "no network namespace: " << std::strerror(errno);
}

ifreq request_for(const char* interface) {
  ifreq request{};
  std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  return request;
}

void bring_up(const char* interface, const char* address) {
  const Fd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  ifreq request = request_for(interface);
  auto* const in = reinterpret_cast<sockaddr_in*>(&request.ifr_addr);
  in->sin_family = AF_INET;
  ASSERT_EQ(::inet_pton(AF_INET, address, &in->sin_addr), 1);
  ASSERT_EQ(::ioctl(socket.get(), SIOCSIFADDR, &request), 0) << std::strerror(errno);
  request = request_for(interface);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  ASSERT_EQ(::ioctl(socket.get(), SIOCSIFFLAGS, &request), 0) << std::strerror(errno);
}

void remove_interface(const char* interface) {
  struct {
    nlmsghdr header;
    ifinfomsg info;
  } message{};
  message.header = {.nlmsg_len = sizeof message,
                    .nlmsg_type = RTM_DELLINK,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK,
                    .nlmsg_seq = 1,
                    .nlmsg_pid = 0};
  message.info.ifi_index = static_cast<int>(::if_nametoindex(interface));
  const Fd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  ASSERT_EQ(::send(socket.get(), &message, sizeof message, 0), static_cast<ssize_t>(sizeof message));
  struct {
    nlmsghdr header;
    nlmsgerr error;
  } answer{};
  ASSERT_GT(::recv(socket.get(), &answer, sizeof answer, 0), 0);
  ASSERT_EQ(answer.error.error, 0);
}

/// Who has 10.9.8.1? Asked by 10.9.8.7 at 02:00:00:00:00:07; behind an empty virtio header.
std::string arp_request() {
  std::string frame(kHeader, '\0');
  frame += std::string("\xFF\xFF\xFF\xFF\xFF\xFF\x02\x00\x00\x00\x00\x07\x08\x06", 14);
  frame += std::string("\x00\x01\x08\x00\x06\x04\x00\x01\x02\x00\x00\x00\x00\x07\x0A\x09\x08\x07", 18);
  frame += std::string("\x00\x00\x00\x00\x00\x00\x0A\x09\x08\x01", 10);
  return frame;
}

NetIo send(TapBackend& tap, std::string frame, uint16_t pair = 0) {
  const iovec pieces[]{{.iov_base = frame.data(), .iov_len = 20},
                       {.iov_base = frame.data() + 20, .iov_len = frame.size() - 20}};
  return tap.send(pair, pieces);
}

/// Frames until one is an ARP reply; the kernel says other things too.
bool hears_arp_reply(TapBackend& tap) {
  std::string buffer(kHeader + kLongestFrame, '\0');
  for (int i = 0; i < 50; ++i) {
    const iovec piece{.iov_base = buffer.data(), .iov_len = buffer.size()};
    const NetReceived got = tap.receive(0, {&piece, 1});
    if (got.io == NetIo::kGone) return false;
    if (got.io == NetIo::kLater) {
      pollfd event{.fd = tap.fd(0), .events = POLLIN, .revents = 0};
      ::poll(&event, 1, 1000);
    } else if (buffer.substr(kHeader + 12, 2) == "\x08\x06" && buffer[kHeader + 21] == 2) {
      return got.bytes >= kHeader + 42;
    }
  }
  return false;
}

TEST(TapBackend, CarriesFramesBothWays) {
  in_own_network([] {
    const auto tap = TapBackend::open("rvtap", 1);
    EXPECT_EQ(tap->mtu(), 1500);
    EXPECT_NE(tap->features() & (kNetCsum | kNetHostTso4 | kNetGuestTso4), 0U);
    tap->start(tap->features());
    EXPECT_EQ(send(*tap, arp_request()), NetIo::kRefused);  // it is down
    bring_up("rvtap", "10.9.8.1");
    EXPECT_EQ(send(*tap, arp_request()), NetIo::kDone);
    EXPECT_TRUE(hears_arp_reply(*tap));
    std::string wrong = arp_request();
    wrong[0] = 1;  // a checksum to fill in far behind the end
    wrong[6] = wrong[7] = '\x7F';
    EXPECT_EQ(send(*tap, wrong), NetIo::kRefused);
  });
}

TEST(TapBackend, DeletedItIsGone) {
  in_own_network([] {
    const auto tap = TapBackend::open("rvtap", 1);
    bring_up("rvtap", "10.9.8.1");
    remove_interface("rvtap");
    EXPECT_EQ(send(*tap, arp_request()), NetIo::kGone);
    EXPECT_FALSE(hears_arp_reply(*tap));
    EXPECT_EQ(tap->why(), "the tap interface rvtap was deleted");
  });
}

bool is_readable(int fd, int timeout_ms) {
  pollfd event{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&event, 1, timeout_ms) == 1;
}

TEST(TapBackend, TellsOfItsEndWhoDoesNotReadIt) {
  in_own_network([] {
    const auto tap = TapBackend::open("rvtap", 1);
    const auto other = TapBackend::open("rvother", 1);
    const int news = tap->watch_fd();
    ASSERT_GE(news, 0);
    EXPECT_EQ(tap->watch_fd(), news) << "one for all who ask";
    EXPECT_FALSE(is_readable(news, 0));
    bring_up("rvtap", "10.9.8.1");
    EXPECT_TRUE(is_readable(news, 1000));
    EXPECT_FALSE(tap->has_gone());
    EXPECT_FALSE(is_readable(news, 0)) << "all of it was read";
    remove_interface("rvother");
    EXPECT_TRUE(is_readable(news, 1000));
    EXPECT_FALSE(tap->has_gone()) << "that was another one";
    EXPECT_EQ(send(*tap, arp_request()), NetIo::kDone);
    EXPECT_FALSE(is_readable(news, 0)) << "frames are no news";
    remove_interface("rvtap");
    EXPECT_TRUE(is_readable(news, 1000));
    EXPECT_TRUE(tap->has_gone());
    EXPECT_EQ(tap->why(), "the tap interface rvtap was deleted");
  });
}

TEST(TapBackend, HasSeveralQueues) {
  in_own_network([] {
    const auto tap = TapBackend::open("rvtap", 4);
    EXPECT_EQ(tap->queue_pairs(), 4);
    bring_up("rvtap", "10.9.8.1");
    tap->use_pairs(1);
    EXPECT_EQ(send(*tap, arp_request()), NetIo::kDone);
    EXPECT_TRUE(hears_arp_reply(*tap));
    tap->use_pairs(4);
    EXPECT_EQ(send(*tap, arp_request(), 3), NetIo::kDone);
  });
}

TEST(TapBackend, TakesAnInheritedDescriptor) {
  in_own_network([] {
    Fd fd{::open("/dev/net/tun", O_RDWR)};
    ifreq request = request_for("rvtap");
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    ASSERT_EQ(::ioctl(fd.get(), TUNSETIFF, &request), 0);
    const auto tap = TapBackend::inherited(::dup(fd.get()));
    EXPECT_EQ(tap->interface(), "rvtap");
    bring_up("rvtap", "10.9.8.1");
    EXPECT_EQ(send(*tap, arp_request()), NetIo::kDone);
    EXPECT_TRUE(hears_arp_reply(*tap));
  });
}

TEST(TapBackend, ANameIsNoPattern) {
  EXPECT_EQ(failure([] { TapBackend::open("tap%d", 1); }),
            "tap=tap%d: an interface's name has no %; give one like tap0");
}

TEST(TapBackend, SaysWhatIsWrong) {
  in_own_network([] {
    EXPECT_EQ(failure([] { TapBackend::open("a-name-that-is-16", 1); }),
              "tap=a-name-that-is-16: an interface's name has 1 to 15 characters");
    EXPECT_THAT(failure([] { TapBackend::open("lo", 1); }), ::testing::StartsWith("tap=lo: it is not a tap interface"));
    const auto tap = TapBackend::open("rvtap", 1);
    EXPECT_EQ(failure([] { TapBackend::open("rvtap", 1); }), "tap=rvtap: it is in use by another program");
    Fd plain{::open("/dev/net/tun", O_RDWR)};
    ifreq request = request_for("rvtun");
    request.ifr_flags = IFF_TUN;
    ASSERT_EQ(::ioctl(plain.get(), TUNSETIFF, &request), 0);
    EXPECT_THAT(failure([&] { TapBackend::inherited(plain.get()); }), ::testing::HasSubstr("IFF_VNET_HDR"));
  });
  EXPECT_EQ(failure([] { TapBackend::inherited(1000); }), "fd=1000: it is not an open descriptor of a tap interface");
}

}  // namespace
}  // namespace rvvmm::tap_backend_test

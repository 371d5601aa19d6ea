#include "devices/net/host_routes.hpp"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/fd.hpp"

namespace rvvmm {
namespace {

// A root server of the domain name system: an address of the internet that is not in any private network of a host.
// Nothing is sent to it.
constexpr const char* kSomewhereIpv4 = "198.41.0.4";
constexpr const char* kSomewhereIpv6 = "2001:503:ba3e::2:30";

struct Request {
  nlmsghdr header{};
  rtmsg route{};
  rtattr attribute{};
  std::array<std::byte, sizeof(in6_addr)> destination{};
};
static_assert(sizeof(Request) == NLMSG_LENGTH(sizeof(rtmsg)) + RTA_LENGTH(sizeof(in6_addr)));

Request request_for(int family) noexcept {
  const size_t address_bytes = family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr);
  Request request;
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.header.nlmsg_len = static_cast<uint32_t>(offsetof(Request, destination) + address_bytes);
  request.route.rtm_family = static_cast<unsigned char>(family);
  request.route.rtm_dst_len = static_cast<unsigned char>(address_bytes * 8);
  request.attribute.rta_type = RTA_DST;
  request.attribute.rta_len = static_cast<unsigned short>(RTA_LENGTH(address_bytes));
  ::inet_pton(family, family == AF_INET ? kSomewhereIpv4 : kSomewhereIpv6, request.destination.data());
  return request;
}

std::optional<unsigned> ask(const Fd& socket, int family) noexcept {
  const Request request = request_for(family);
  if (::send(socket.get(), &request, request.header.nlmsg_len, 0) < 0) return std::nullopt;
  alignas(nlmsghdr) std::array<std::byte, 4096> answer{};
  const ssize_t got = ::recv(socket.get(), answer.data(), answer.size(), 0);
  if (got < 0) return std::nullopt;
  return interface_of_answer(std::span{answer}.first(static_cast<size_t>(got)));
}

std::string name_of(unsigned interface) {
  std::array<char, IF_NAMESIZE> name{};
  return interface != 0 && ::if_indextoname(interface, name.data()) != nullptr ? name.data() : "";
}

}  // namespace

std::optional<unsigned> interface_of_answer(std::span<const std::byte> answer) noexcept {
  nlmsghdr header{};
  if (answer.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, answer.data(), sizeof header);
  if (header.nlmsg_len > answer.size()) return std::nullopt;
  // The kernel answers with an error when there is no route. Its reason does not matter.
  if (header.nlmsg_type == NLMSG_ERROR) return 0;
  if (header.nlmsg_type != RTM_NEWROUTE || header.nlmsg_len < NLMSG_LENGTH(sizeof(rtmsg))) return std::nullopt;
  rtmsg route{};
  std::memcpy(&route, answer.data() + NLMSG_HDRLEN, sizeof route);
  if (route.rtm_type != RTN_UNICAST) return 0;
  auto rest = answer.first(header.nlmsg_len).subspan(NLMSG_LENGTH(sizeof(rtmsg)));
  while (rest.size() >= sizeof(rtattr)) {
    rtattr attribute{};
    std::memcpy(&attribute, rest.data(), sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > rest.size()) break;
    if (attribute.rta_type == RTA_OIF && attribute.rta_len == RTA_LENGTH(sizeof(unsigned))) {
      unsigned interface = 0;
      std::memcpy(&interface, rest.data() + RTA_LENGTH(0), sizeof interface);
      return interface;
    }
    rest = rest.subspan(std::min<size_t>(RTA_ALIGN(attribute.rta_len), rest.size()));
  }
  return 0;
}

std::optional<HostRoutes> find_host_routes() {
  const Fd socket{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
  if (!socket) return std::nullopt;
  const auto ipv4 = ask(socket, AF_INET);
  const auto ipv6 = ask(socket, AF_INET6);
  if (!ipv4 || !ipv6) return std::nullopt;
  return HostRoutes{.ipv4 = name_of(*ipv4), .ipv6 = name_of(*ipv6)};
}

}  // namespace rvvmm

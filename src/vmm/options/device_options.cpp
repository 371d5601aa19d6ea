#include "vmm/options/device_options.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <format>

#include "base/error.hpp"
#include "devices/net/tap_backend.hpp"
#include "vmm/options/option_values.hpp"
#include "vmm/options/suboptions.hpp"

namespace rvvmm {
namespace {

SetupError wrong_suboption(const Suboption& option, std::string_view what) {
  return wrong_value(option.where, option.value, what);
}

uint16_t parse_queues(const Suboption& option, uint16_t most) {
  const auto queues = parse_decimal<uint32_t>(option.value);
  if (!queues || *queues == 0 || *queues > most) {
    throw wrong_suboption(option, std::format("is not a number of queues; give 1 to {}", most));
  }
  return static_cast<uint16_t>(*queues);
}

std::string parse_serial(const Suboption& option) {
  if (option.value.size() > VirtioBlock::kLongestSerial) {
    throw wrong_suboption(option, std::format("is too long; a disk has a serial number of at most {} bytes",
                                              VirtioBlock::kLongestSerial));
  }
  for (const char c : option.value) {
    if (c < ' ' || c > '~') throw wrong_suboption(option, "is not a serial number; give printable ASCII characters");
  }
  return option.value;
}

MacAddress parse_mac(const Suboption& option) {
  MacAddress mac{};
  const std::string& text = option.value;
  constexpr size_t kLength = 17;  // two digits for each byte, and colons between bytes
  bool is_one = text.size() == kLength;
  for (size_t i = 0; is_one && i < mac.size(); ++i) {
    const char* const digits = text.data() + 3 * i;
    const auto [end, error] = std::from_chars(digits, digits + 2, mac[i], 16);
    is_one = error == std::errc{} && end == digits + 2 && (i + 1 == mac.size() || *end == ':');
  }
  if (!is_one) throw wrong_suboption(option, "is not a MAC address; give one like 52:54:00:12:34:56");
  if ((mac[0] & 1) != 0) throw wrong_suboption(option, "is a multicast address; its first byte must be even");
  if (mac == MacAddress{}) throw wrong_suboption(option, "is not a valid address; give one like 52:54:00:12:34:56");
  return mac;
}

// 0 if `text` is not a port number.
uint16_t port_of(std::string_view text) noexcept {
  const auto port = parse_decimal<uint32_t>(text);
  return port && *port <= UINT16_MAX ? static_cast<uint16_t>(*port) : uint16_t{0};
}

bool is_address(const std::string& text) noexcept {
  std::array<std::byte, sizeof(in6_addr)> address;
  return ::inet_pton(AF_INET, text.c_str(), address.data()) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), address.data()) == 1;
}

// QEMU's syntax: tcp:[HOSTADDRESS:]HOSTPORT-:GUESTPORT, with an IPv6 address in brackets.
PortForward parse_forward(const Suboption& option) {
  PortForward forward{.udp = option.value.starts_with("udp:")};
  const std::string_view rest = std::string_view{option.value}.substr(std::min<size_t>(option.value.size(), 4));
  const size_t dash = std::min(rest.find("-:"), rest.size());
  const std::string_view host = rest.substr(0, dash);
  const size_t colon = host.rfind(':');
  forward.host_port = port_of(host.substr(colon == std::string_view::npos ? 0 : colon + 1));
  forward.guest_port = dash == rest.size() ? uint16_t{0} : port_of(rest.substr(dash + 2));
  if (colon != std::string_view::npos) forward.host_address = host.substr(0, colon);
  if (forward.host_address.starts_with('[') && forward.host_address.ends_with(']')) {
    forward.host_address = forward.host_address.substr(1, forward.host_address.size() - 2);
  }
  const bool known = forward.udp || option.value.starts_with("tcp:");
  const bool address_is_right = forward.host_address.empty() || is_address(forward.host_address);
  if (!known || !address_is_right || forward.host_port == 0 || forward.guest_port == 0) {
    throw wrong_suboption(option,
                          "is not a forwarded port; give one like tcp:2222-:22 (host port, guest port), or "
                          "tcp:127.0.0.1:2222-:22");
  }
  return forward;
}

constexpr std::array kDiskSuboptions{
    SuboptionSpec{.name = "ro"},
    SuboptionSpec{.name = "serial", .kind = SuboptionKind::kValue},
    SuboptionSpec{.name = "direct"},
    SuboptionSpec{.name = "discard", .kind = SuboptionKind::kValue},
    SuboptionSpec{.name = "queues", .kind = SuboptionKind::kValue},
};

constexpr std::array kNetSuboptions{
    SuboptionSpec{.name = "user"},
    SuboptionSpec{.name = "tap", .kind = SuboptionKind::kValue},
    SuboptionSpec{.name = "fd", .kind = SuboptionKind::kValue},
    SuboptionSpec{.name = "hostfwd", .kind = SuboptionKind::kRepeatedValue},
    SuboptionSpec{.name = "mac", .kind = SuboptionKind::kValue},
    SuboptionSpec{.name = "queues", .kind = SuboptionKind::kValue},
    SuboptionSpec{.name = "vhost", .kind = SuboptionKind::kValue},
};

int parse_descriptor(const Suboption& option) {
  const auto fd = parse_decimal<uint32_t>(option.value);
  if (!fd || *fd > INT32_MAX)
    throw wrong_suboption(option, "is not a descriptor number; give the number of an open tap, such as 3");
  return static_cast<int>(*fd);
}

// One of user, tap and fd.
void choose_kind(const std::string& where, const Suboptions& given, NetChoice& net) {
  const Suboption* const user = given.find("user");
  const Suboption* const tap = given.find("tap");
  const Suboption* const fd = given.find("fd");
  if ((user != nullptr) + (tap != nullptr) + (fd != nullptr) != 1) {
    throw usage(std::format("{}: give one of user, tap=NAME and fd=N", where));
  }
  if (tap != nullptr) {
    net.kind = NetChoice::Kind::kTap;
    net.tap = tap->value;
  } else if (fd != nullptr) {
    net.kind = NetChoice::Kind::kTapDescriptor;
    net.fd = parse_descriptor(*fd);
  }
}

}  // namespace

VirtioBlock::Options parse_disk(const std::string& where, std::string_view text) {
  const Suboptions given{where, text, kDiskSuboptions, true};
  VirtioBlock::Options disk;
  disk.image.path = parse_path(where, given.head());
  disk.image.read_only = given.find("ro") != nullptr;
  disk.image.direct = given.find("direct") != nullptr;
  if (const Suboption* const serial = given.find("serial")) disk.serial = parse_serial(*serial);
  if (const Suboption* const queues = given.find("queues")) {
    disk.queues = parse_queues(*queues, VirtioBlock::kMostQueues);
  }
  if (const Suboption* const discard = given.find("discard")) {
    if (discard->value != "unmap" && discard->value != "ignore") {
      throw wrong_suboption(*discard, "is not a way to handle discarded blocks; give unmap or ignore");
    }
    disk.discard = discard->value == "unmap";
  }
  return disk;
}

NetChoice parse_net(const std::string& where, std::string_view text) {
  const Suboptions given{where, text, kNetSuboptions, false};
  NetChoice net;
  choose_kind(where, given, net);
  if (const Suboption* const mac = given.find("mac")) net.mac = parse_mac(*mac);
  if (const Suboption* const queues = given.find("queues")) {
    if (net.kind != NetChoice::Kind::kTap) throw usage(std::format("{}: only with tap=NAME", queues->where));
    net.queues = parse_queues(*queues, TapBackend::kMostPairs);
  }
  if (const Suboption* const vhost = given.find("vhost")) {
    if (net.kind == NetChoice::Kind::kUser) throw usage(std::format("{}: only with tap=NAME or fd=N", vhost->where));
    if (vhost->value != "on" && vhost->value != "off") throw wrong_suboption(*vhost, "is neither on nor off");
    net.vhost = vhost->value == "on";
  }
  for (const Suboption& option : given.all()) {
    if (option.name != "hostfwd") continue;
    if (net.kind != NetChoice::Kind::kUser) throw usage(std::format("{}: only with user", option.where));
    net.forwards.push_back(parse_forward(option));
  }
  return net;
}

}  // namespace rvvmm

// Parses and checks the values of the options that make devices.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "devices/block/virtio_block.hpp"
#include "devices/net/passt.hpp"
#include "devices/net/virtio_net.hpp"

namespace rvvmm {

/// --net: what a network device of the guest is connected to.
struct NetChoice {
  enum class Kind : uint8_t { kUser, kTap, kTapDescriptor };

  Kind kind = Kind::kUser;
  std::string tap;                         ///< kTap: the interface's name
  int fd = -1;                             ///< kTapDescriptor: an inherited descriptor
  std::vector<PortForward> forwards = {};  ///< kUser
  std::optional<MacAddress> mac = {};      ///< none: a computed one that stays the same
  uint16_t queues = 1;                     ///< kTap: number of queue pairs
  std::optional<bool> vhost = {};          ///< the kernel moves a tap's frames; none: if it can
};

/// Both throw SetupError (kUsage): "<where>: <what is wrong>; <what would be right>".

/// "disk.img,ro,serial=...,direct,discard=unmap,queues=N".
VirtioBlock::Options parse_disk(const std::string& where, std::string_view text);
/// "user,hostfwd=tcp:2222-:22,mac=...", "tap=NAME,queues=N,vhost=on", "fd=N".
NetChoice parse_net(const std::string& where, std::string_view text);

}  // namespace rvvmm

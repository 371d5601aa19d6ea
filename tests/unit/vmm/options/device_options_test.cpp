#include "vmm/options/device_options.hpp"

#include <gtest/gtest.h>

#include "base/error.hpp"

namespace rvvmm::device_options_test {
namespace {

template <typename Parse>
std::string error_of(Parse parse, std::string_view option, std::string_view text) {
  try {
    parse(std::string{option}, text);
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kUsage);
    return error.what();
  }
  return "none";
}

std::string disk_error(std::string_view text) {
  return error_of(parse_disk, "--disk", text);
}
std::string net_error(std::string_view text) {
  return error_of(parse_net, "--net", text);
}

TEST(ParseDisk, APathAloneIsAWritableDisk) {
  const VirtioBlock::Options disk = parse_disk("--disk", "root.img");
  EXPECT_EQ(disk.image.path, "root.img");
  EXPECT_FALSE(disk.image.read_only);
  EXPECT_FALSE(disk.image.direct);
  EXPECT_FALSE(disk.discard);
  EXPECT_EQ(disk.serial, "");
  EXPECT_EQ(disk.queues, 1);
}

TEST(ParseDisk, EverySuboption) {
  const VirtioBlock::Options disk = parse_disk("--disk", "a,,b,ro,serial=x 1,direct,discard=unmap,queues=4");
  EXPECT_EQ(disk.image.path, "a,b");
  EXPECT_TRUE(disk.image.read_only);
  EXPECT_TRUE(disk.image.direct);
  EXPECT_TRUE(disk.discard);
  EXPECT_EQ(disk.serial, "x 1");
  EXPECT_EQ(disk.queues, 4);
  EXPECT_FALSE(parse_disk("--disk", "a,discard=ignore").discard);
}

TEST(ParseDisk, MistakesAreNamed) {
  EXPECT_EQ(disk_error(""), "--disk: \"\" is not a file; give a path");
  EXPECT_EQ(disk_error("ro"), "--disk: \"\" is not a file; give a path");
  EXPECT_EQ(disk_error("a,queues=0"), "--disk: queues: \"0\" is not a number of queues; give 1 to 16");
  EXPECT_EQ(disk_error("a,queues=17"), "--disk: queues: \"17\" is not a number of queues; give 1 to 16");
  EXPECT_EQ(disk_error("a,discard=yes"),
            "--disk: discard: \"yes\" is not a way to handle discarded blocks; give unmap or ignore");
  EXPECT_EQ(disk_error("a,serial=123456789012345678901"),
            "--disk: serial: \"123456789012345678901\" is too long; a disk has a serial number of at most 20 bytes");
  EXPECT_EQ(disk_error("a,serial=\x01"),
            "--disk: serial: \"?\" is not a serial number; give printable ASCII characters");
  EXPECT_EQ(disk_error("a,drect"), "--disk: \"drect\": unknown suboption; did you mean direct?");
}

TEST(ParseNet, EveryKind) {
  const NetChoice user = parse_net("--net", "user,hostfwd=tcp:2222-:22,hostfwd=udp:53-:5353,mac=52:54:00:ab:CD:01");
  EXPECT_EQ(user.kind, NetChoice::Kind::kUser);
  ASSERT_EQ(user.forwards.size(), 2U);
  EXPECT_FALSE(user.forwards[0].udp);
  EXPECT_EQ(user.forwards[0].host_address, "");
  EXPECT_EQ(user.forwards[0].host_port, 2222);
  EXPECT_EQ(user.forwards[0].guest_port, 22);
  EXPECT_TRUE(user.forwards[1].udp);
  EXPECT_EQ(user.mac, (MacAddress{0x52, 0x54, 0x00, 0xab, 0xcd, 0x01}));
  const NetChoice tap = parse_net("--net", "tap=vmtap0,queues=2");
  EXPECT_EQ(tap.kind, NetChoice::Kind::kTap);
  EXPECT_EQ(tap.tap, "vmtap0");
  EXPECT_EQ(tap.queues, 2);
  EXPECT_FALSE(tap.mac);
  EXPECT_EQ(tap.vhost, std::nullopt);
  EXPECT_EQ(parse_net("--net", "tap=vmtap0,vhost=on").vhost, true);
  EXPECT_EQ(parse_net("--net", "fd=7,vhost=off").vhost, false);
  const NetChoice fd = parse_net("--net", "fd=7");
  EXPECT_EQ(fd.kind, NetChoice::Kind::kTapDescriptor);
  EXPECT_EQ(fd.fd, 7);
}

TEST(ParseNet, ForwardsMayNameAnAddressOfTheHost) {
  const auto forward_of = [](const std::string& text) {
    return parse_net("--net", "user,hostfwd=" + text).forwards[0];
  };
  EXPECT_EQ(forward_of("tcp::2222-:22").host_address, "");
  EXPECT_EQ(forward_of("tcp:127.0.0.1:2222-:22").host_address, "127.0.0.1");
  EXPECT_EQ(forward_of("udp:[::1]:53-:5353").host_address, "::1");
  EXPECT_EQ(forward_of("udp:[::1]:53-:5353").host_port, 53);
}

TEST(ParseNet, MistakesAreNamed) {
  EXPECT_EQ(net_error("hostfwd=tcp:1-:2"), "--net: give one of user, tap=NAME and fd=N");
  EXPECT_EQ(net_error("user,tap=x"), "--net: give one of user, tap=NAME and fd=N");
  EXPECT_EQ(net_error("usr"), "--net: \"usr\": unknown suboption; did you mean user?");
  EXPECT_EQ(net_error("tap=x,hostfwd=tcp:1-:2"), "--net: hostfwd: only with user");
  EXPECT_EQ(net_error("user,queues=2"), "--net: queues: only with tap=NAME");
  EXPECT_EQ(net_error("tap=x,queues=17"), "--net: queues: \"17\" is not a number of queues; give 1 to 16");
  EXPECT_EQ(net_error("fd=-1"),
            "--net: fd: \"-1\" is not a descriptor number; give the number of an open tap, such as 3");
  EXPECT_EQ(net_error("user,vhost=on"), "--net: vhost: only with tap=NAME or fd=N");
  EXPECT_EQ(net_error("tap=x,vhost=yes"), "--net: vhost: \"yes\" is neither on nor off");
  EXPECT_EQ(net_error("tap=x,vhost"), "--net: vhost: has no value; write vhost=VALUE");
  for (const char* const mac : {"52:54:00:12:34", "52:54:00:12:34:56:78", "5254:00:12:34:56", "52-54-00-12-34-56",
                                "5:54:00:12:34:56", "g2:54:00:12:34:56", "52:54:00:12:34:5"}) {
    EXPECT_EQ(net_error(std::string{"user,mac="} + mac),
              std::string{"--net: mac: \""} + mac + "\" is not a MAC address; give one like 52:54:00:12:34:56");
  }
  EXPECT_EQ(net_error("user,mac=53:54:00:12:34:56"),
            "--net: mac: \"53:54:00:12:34:56\" is a multicast address; its first byte must be even");
  EXPECT_EQ(net_error("user,mac=00:00:00:00:00:00"),
            "--net: mac: \"00:00:00:00:00:00\" is not a valid address; give one like 52:54:00:12:34:56");
  for (const char* const forward : {"2222-:22", "tcp:2222", "tcp:0-:22", "tcp:1-:65536", "tcp:-:22", "sctp:1-:2",
                                    "tcp:1.2.3:1-:2", "tcp:localhost:1-:2"}) {
    EXPECT_EQ(net_error(std::string{"user,hostfwd="} + forward),
              std::string{"--net: hostfwd: \""} + forward +
                  "\" is not a forwarded port; give one like tcp:2222-:22 (host port, guest port), or "
                  "tcp:127.0.0.1:2222-:22");
  }
}

}  // namespace
}  // namespace rvvmm::device_options_test

// A Linux guest with as many devices as there is room for: more than a hart of KVM's has interrupt identities.
#include <gtest/gtest.h>
#include <linux/if_tun.h>

#include <algorithm>
#include <cstdio>
#include <list>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "../pattern.hpp"
#include "host_tap.hpp"
#include "linux_test_case.hpp"
#include "web_server.hpp"

namespace rvvmm::test::linux_many_devices_test {
namespace {

constexpr const char* kTap = "rvtest1";
constexpr const char* kHost = "10.9.8.1";
constexpr size_t kBlock = 4096;

struct Crowd {
  const char* transport;
  unsigned smp;
  size_t devices;
  const char* by_default;  ///< the host on which the default run has it; empty: none
};

void PrintTo(const Crowd& crowd, std::ostream* out) {
  *out << crowd.devices << " devices on " << crowd.transport << ", smp " << crowd.smp;
}

/// Disks that say which they are, random numbers, and a network card with four pairs of queues where the host lets us
/// have a tap.
class LinuxManyDevices : public LinuxTest, public ::testing::WithParamInterface<Crowd> {
 protected:
  void make_devices() {
    options_ = {"--log-level", "vmm=info", "--transport", GetParam().transport,
                "--rng",       "--sbi",    "srst=off",    "--no-reboot"};
    size_t disks = GetParam().devices - 1;
    if (HostTap::possible()) {
      tap_.emplace(kTap, kHost, static_cast<short>(IFF_MULTI_QUEUE));
      server_.emplace(content_, kHost);
      options_.insert(options_.end(), {"--net", std::string{"tap="} + kTap + ",queues=4"});
      --disks;
    }
    for (size_t number = 0; number < disks; ++number) {
      const std::string name = "disk" + std::to_string(number);
      std::string content = name + '\n';
      content.resize(kBlock, '.');
      options_.insert(options_.end(), {"--disk", images_.emplace_back(content).path()});
      names_.push_back(name);
    }
    std::ranges::sort(names_);
  }

  // Past the guest's caches, so that each answer is an interrupt.
  void read_each_disk(LinuxGuest& guest) const {
    ASSERT_TRUE(
        guest.run("for disk in /sys/block/vd*; do dd if=/dev/${disk##*/} bs=4096 count=1 iflag=direct "
                  "2>/dev/null | head -n 1; done",
                  0, kBoot));
    std::istringstream lines{guest.output()};
    std::vector<std::string> read;
    for (std::string line; std::getline(lines, line);)
      read.push_back(line);
    std::ranges::sort(read);
    EXPECT_EQ(read, names_);
  }

  void fetch(LinuxGuest& guest) const {
    if (!server_) return;
    ASSERT_TRUE(
        guest.run("wget -q -O - http://10.9.8.1:" + std::to_string(server_->port()) + "/file | sha256sum", 0, kBoot));
    EXPECT_NE(guest.output().find(sha256_), std::string::npos) << guest.output();
  }

  // A hart that goes leaves its interrupts to the others.
  static void leave_all_to_one_hart(LinuxGuest& guest) {
    for (unsigned hart = GetParam().smp - 1; hart > 0; --hart)
      ASSERT_TRUE(guest.run("echo 0 > /sys/devices/system/cpu/cpu" + std::to_string(hart) + "/online", 0, kBoot));
  }

  // By the test finisher, which the device tree names for that. No boot of its own: power-off here, a reset there.
  static void end_without_srst(LinuxGuest& guest) {
    EXPECT_TRUE(guest.run("dmesg | grep 'SBI SRST'", 1));
    const bool resets = GetParam().smp > 1;
    ASSERT_TRUE(guest.vm().send(resets ? "reboot -f\n" : "poweroff -f\n"));
    EXPECT_TRUE(guest.vm().ends_with(resets ? 80 : 0));
  }

  bool has_messages() const { return environment().host_irqchip != "none"; }

  std::list<TemporaryFile> images_;
  std::vector<std::string> names_;
  std::vector<std::string> options_;
  std::optional<HostTap> tap_;
  const std::string content_ = pattern((size_t{1} << 18) + 1);
  const std::string sha256_ = sha256_of(TemporaryFile{content_}.path());
  std::optional<WebServer> server_;
};

TEST_P(LinuxManyDevices, EachIsHeardByWhicheverHartAndTheGuestEndsWithoutSrst) {
  if (is_left_to_other_hosts({GetParam().by_default})) GTEST_SKIP() << kOnlyInTheFullRun;
  make_devices();
  LinuxGuest guest{{.kernel = kernel("latest"), .smp = GetParam().smp, .options = options_}};
  StepClock clock;
  ASSERT_TRUE(guest.boots());
  clock.done("boot");
  read_each_disk(guest);
  if (server_) {
    ASSERT_TRUE(guest.run("ip link set eth0 up && ip addr add 10.9.8.2/24 dev eth0"));
  }
  fetch(guest);
  EXPECT_TRUE(guest.run("/tests/rng"));
  clock.done("devices");
  leave_all_to_one_hart(guest);
  read_each_disk(guest);
  fetch(guest);
  clock.done("one hart");
  if (std::string{GetParam().transport} == "pci") {
    EXPECT_TRUE(guest.run("cat /sys/bus/pci/devices/0000:00:00.0/class"));
    EXPECT_EQ(guest.output(), "0x060000\n");
    EXPECT_TRUE(guest.run("ls /sys/bus/pci/devices | wc -l"));
    EXPECT_EQ(guest.output(), std::to_string(GetParam().devices + 1) + '\n');
  }
  EXPECT_EQ(guest.vm().errors().find("identities are left") != std::string::npos, has_messages())
      << guest.vm().errors();
  end_without_srst(guest);
}

INSTANTIATE_TEST_SUITE_P(Crowds, LinuxManyDevices,
                         ::testing::Values(Crowd{"pci", 1, 31, ""}, Crowd{"pci", 2, 31, "6.12:aia"},
                                           Crowd{"pci", 4, 31, ""}, Crowd{"mmio", 1, 79, ""}, Crowd{"mmio", 4, 79, ""}),
                         [](const auto& instance) {
                           return std::string{instance.param.transport} + "_smp" + std::to_string(instance.param.smp);
                         });

}  // namespace
}  // namespace rvvmm::test::linux_many_devices_test

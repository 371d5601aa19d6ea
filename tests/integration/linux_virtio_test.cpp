// A Linux guest with one of each virtio device. One boot carries all checks: it costs seconds on the emulated host.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "../pattern.hpp"
#include "base/fd.hpp"
#include "linux_test_case.hpp"
#include "process_facts.hpp"
#include "web_server.hpp"

namespace rvvmm::test::linux_virtio_test {
namespace {

uint16_t free_port() {
  return Listener{}.port();
}

/// What whoever listens at that port of the host's loopback says, all of it; empty if nobody does.
std::string heard_at(uint16_t port) {
  const Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const sockaddr_in address = internet_address("127.0.0.1", port);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return "";
  std::string heard;
  char piece[256];
  for (ssize_t got = 0; (got = ::read(fd.get(), piece, sizeof piece)) > 0;)
    heard.append(piece, static_cast<size_t>(got));
  return heard;
}

uint64_t bytes_on_disk(const std::string& path) {
  struct stat facts{};
  EXPECT_EQ(::stat(path.c_str(), &facts), 0);
  return static_cast<uint64_t>(facts.st_blocks) * 512;
}

std::string part_of(const std::string& path, size_t offset, size_t size) {
  std::string part(size, '\0');
  std::ifstream file{path, std::ios::binary};
  file.seekg(static_cast<std::streamoff>(offset));
  file.read(part.data(), static_cast<std::streamsize>(size));
  EXPECT_TRUE(file) << path;
  return part;
}

class LinuxVirtio : public LinuxTest, public ::testing::WithParamInterface<const char*> {
 protected:
  static constexpr size_t kMiB = size_t{1} << 20;

  LinuxLaunch launch() const {
    return {.kernel = kernel("latest"),
            .smp = 2,
            .options = {"--disk", disk_.path() + ",serial=of-the-test,discard=unmap", "--net",
                        "user,hostfwd=tcp:127.0.0.1:" + std::to_string(forwarded_) + "-:7000", "--rng", "--console",
                        "virtio", "--power-key", "--transport", GetParam()},
            .append = "console=hvc0"};
  }

  void check_disk(LinuxGuest& guest) {
    ASSERT_TRUE(guest.run("/tests/disk", 0, kBoot));
    EXPECT_NE(guest.output().find("disk: 131072 sectors, serial 'of-the-test'\n"), std::string::npos);
    const TemporaryFile first{part_of(disk_.path(), 0, kMiB)};
    EXPECT_NE(guest.output().find(sha256_of(first.path()) + '\n'), std::string::npos) << "what the guest has read";
    const TemporaryFile written{part_of(disk_.path(), kMiB, kMiB)};
    EXPECT_NE(guest.output().find("disk: " + sha256_of(written.path())), std::string::npos) << "what it has written";
    const uint64_t before = bytes_on_disk(disk_.path());
    ASSERT_TRUE(guest.run("blkdiscard -o 1048576 -l 1048576 /dev/vda"));
    EXPECT_EQ(before - bytes_on_disk(disk_.path()), kMiB) << "what it has discarded is a hole";
  }

  // Doorbells and messages: the kernel takes both. Without them an interrupt is acknowledged by a load, an exit.
  void expect_no_exit_for_a_request(LinuxGuest& guest) {
    constexpr uint64_t kRequests = 2000;
    const auto before = kvm_counter(guest.vm().pid(), "mmio_exit_user");
    ASSERT_TRUE(guest.run("dd if=/dev/vda of=/dev/null bs=4k count=2000 iflag=direct 2>/dev/null"));
    const auto after = kvm_counter(guest.vm().pid(), "mmio_exit_user");
    if (!before || !after) return;
    std::printf("    %llu exits for %llu reads\n", static_cast<unsigned long long>(*after - *before),
                static_cast<unsigned long long>(kRequests));
    if (std::string{GetParam()} == "pci" && environment().host_irqchip == "aia") {
      EXPECT_LT(*after - *before, kRequests / 10) << "the console has some";
    }
  }

  void check_network(LinuxGuest& guest) {
    const std::string content = pattern(kMiB / 2 + 1);
    const WebServer server{content};
    const TemporaryFile copy{content};
    ASSERT_TRUE(guest.run("/tests/net " + std::to_string(server.port()), 0, kBoot));
    EXPECT_NE(guest.output().find("net: " + sha256_of(copy.path())), std::string::npos);
    ASSERT_TRUE(guest.begin("echo from the guest | nc -l -p 7000"));
    std::string heard;
    for (int attempt = 0; attempt < 100 && heard.empty(); ++attempt) {
      heard = heard_at(forwarded_);
      std::this_thread::sleep_for(std::chrono::milliseconds{100});
    }
    EXPECT_EQ(heard, "from the guest\n");
    EXPECT_TRUE(guest.end());
  }

  void check_power_key(LinuxGuest& guest) {
    ASSERT_TRUE(guest.run("modprobe evdev; cat /sys/class/input/event0/device/name"));
    EXPECT_EQ(guest.output(), "rvvmm power key\n");
    ASSERT_TRUE(
        guest.begin("exec 3< /dev/input/event0; echo lis''tens; dd bs=24 count=4 <&3 2> /dev/null | od -An -v -tx1"));
    ASSERT_TRUE(guest.vm().expect("listens"));
    guest.vm().signal(SIGTERM);
    EXPECT_TRUE(guest.end());
    // Type, code and value of the second half of a struct input_event: down, and up.
    EXPECT_NE(guest.vm().output().find("01 00 74 00 01 00 00 00"), std::string::npos);
    EXPECT_NE(guest.vm().output().find("01 00 74 00 00 00 00 00"), std::string::npos);
  }

  const TemporaryFile disk_{pattern(kMiB)};
  const uint16_t forwarded_ = free_port();
};

TEST_P(LinuxVirtio, DrivesEveryDevice) {
  const bool other_transport = std::string{GetParam()} == "mmio";
  if (other_transport && !environment().full) GTEST_SKIP() << kOnlyInTheFullRun;
  if (is_left_to_other_hosts()) GTEST_SKIP() << kOnlyInTheFullRun;
  std::filesystem::resize_file(disk_.path(), 64 * kMiB);
  LinuxGuest guest{launch()};
  StepClock clock;
  ASSERT_TRUE(guest.boots());
  clock.done("boot");
  ASSERT_TRUE(guest.run("tty"));
  EXPECT_EQ(guest.output(), "/dev/hvc0\n");
  check_disk(guest);
  clock.done("disk");
  expect_no_exit_for_a_request(guest);
  clock.done("requests");
  check_network(guest);
  clock.done("network");
  EXPECT_TRUE(guest.run("/tests/rng"));
  check_paste(guest);
  clock.done("paste");
  check_power_key(guest);
  clock.done("power key");
  // A reset in the middle of I/O: the next machine finds the devices as the first one did.
  ASSERT_TRUE(guest.vm().send("dd if=/dev/urandom of=/dev/vda bs=1M seek=32 2>/dev/null & reboot -f\n"));
  ASSERT_TRUE(guest.boots());
  check_disk(guest);
  check_network(guest);
  clock.done("reset");
  // Nobody listens to the power key here: the second signal is the one that counts.
  guest.vm().signal(SIGTERM);
  EXPECT_TRUE(guest.vm().lives_for(std::chrono::milliseconds{500}));
  guest.vm().signal(SIGTERM);
  EXPECT_TRUE(guest.vm().ends_with(128 + SIGTERM));
  clock.done("end");
}

INSTANTIATE_TEST_SUITE_P(Transports, LinuxVirtio, ::testing::Values("pci", "mmio"),
                         [](const auto& transport) { return std::string{transport.param}; });

}  // namespace
}  // namespace rvvmm::test::linux_virtio_test

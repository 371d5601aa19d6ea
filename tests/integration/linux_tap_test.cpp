// A Linux guest on a tap interface whose frames vhost-net moves. One boot carries all checks.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>

#include "../pattern.hpp"
#include "host_tap.hpp"
#include "linux_test_case.hpp"
#include "process_facts.hpp"
#include "web_server.hpp"

namespace rvvmm::test::linux_tap_test {
namespace {

constexpr const char* kTap = "rvtest0";
constexpr const char* kHost = "10.9.7.1";
constexpr size_t kMiB = size_t{1} << 20;

/// What happened while a number of bytes went over the wire.
struct Cost {
  bool complete = false;
  std::optional<uint64_t> exits = {};   ///< to user space
  std::optional<uint64_t> sleeps = {};  ///< of the device's thread, which is awake as often
};

/// One TCP connection of the guest's, watched while it is busy: neither its begin nor its end is counted.
class WatchedTransfer {
 public:
  static constexpr size_t kWarmUp = kMiB / 2;
  static constexpr size_t kWatched = 2 * kMiB;

  explicit WatchedTransfer(pid_t vmm) : vmm_(vmm) { listener_.set_limit(kSoon); }
  uint16_t port() const { return listener_.port(); }

  Cost to_guest() const {
    const Fd client = listener_.accept();
    const std::string bytes(64 << 10, 'x');
    return watch([&] { return send_all(client.get(), bytes) ? bytes.size() : 0; });
  }
  /// The guest has more to send, and nothing to say before all of it is gone.
  Cost from_guest() const {
    const Fd client = listener_.accept();
    std::string bytes(64 << 10, '\0');
    const auto some = [&] {
      return static_cast<size_t>(std::max<ssize_t>(::read(client.get(), bytes.data(), bytes.size()), 0));
    };
    const Cost cost = watch(some);
    while (some() > 0) {
    }
    return cost;
  }

 private:
  template <typename Move>
  static bool move(size_t total, Move some) {
    for (size_t moved = 0; moved < total;) {
      const size_t now = some();
      if (now == 0) return false;
      moved += now;
    }
    return true;
  }
  template <typename Move>
  Cost watch(Move some) const {
    if (!move(kWarmUp, some)) return {};
    const auto exits = kvm_counter(vmm_, "mmio_exit_user");
    const auto sleeps_before = sleeps(vmm_, "io-net0");
    Cost cost{.complete = move(kWatched, some)};
    const auto exits_then = kvm_counter(vmm_, "mmio_exit_user");
    const auto sleeps_then = sleeps(vmm_, "io-net0");
    if (exits && exits_then) cost.exits = *exits_then - *exits;
    if (sleeps_before && sleeps_then) cost.sleeps = *sleeps_then - *sleeps_before;
    return cost;
  }

  pid_t vmm_;
  Listener listener_{kHost};
};

class LinuxTap : public LinuxTest {
 protected:
  void SetUp() override {
    LinuxTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    if (!HostTap::with_vhost()) GTEST_SKIP() << "skipped: no tap interfaces for us, or no vhost-net";
    tap_.emplace(kTap, kHost);
    server_.emplace(content_, kHost);
  }

  LinuxLaunch launch(const std::string& more = ",vhost=on") const {
    return {.kernel = kernel("latest"), .smp = 2, .options = {"--net", std::string{"tap="} + kTap + more}};
  }
  bool has_messages() const { return environment().host_irqchip != "none"; }

  void set_address(LinuxGuest& guest) {
    ASSERT_TRUE(guest.run("ip link set eth0 up && ip addr add 10.9.7.2/24 dev eth0"));
  }
  std::string url() const { return "http://10.9.7.1:" + std::to_string(server_->port()) + "/file"; }
  void fetch(LinuxGuest& guest) {
    ASSERT_TRUE(guest.run("wget -q -O - " + url() + " | sha256sum", 0, kBoot));
    EXPECT_NE(guest.output().find(sha256_), std::string::npos) << guest.output();
  }

  // With messages neither a hart leaves the guest for us, nor does our thread wake up. Without, an interrupt is ours to
  // raise and for the guest to acknowledge; but no frame is.
  void expect_nothing_left_to_us(LinuxGuest& guest) {
    const pid_t vmm = guest.vm().pid();
    for (const bool to_guest : {true, false}) {
      const WatchedTransfer transfer{vmm};
      const std::string port = std::to_string(transfer.port());
      ASSERT_TRUE(guest.begin(to_guest ? "nc 10.9.7.1 " + port + " > /dev/null"
                                       : "dd if=/dev/zero bs=64k count=128 2>/dev/null | nc 10.9.7.1 " + port,
                              kBoot));
      const Cost cost = to_guest ? transfer.to_guest() : transfer.from_guest();
      EXPECT_TRUE(cost.complete);
      EXPECT_TRUE(guest.end(0, kBoot));
      ASSERT_TRUE(cost.sleeps);
      std::printf("    %zu MiB %s the guest: %lld exits, io-net0 awake %llu times\n", WatchedTransfer::kWatched / kMiB,
                  to_guest ? "to" : "from", cost.exits ? static_cast<long long>(*cost.exits) : -1LL,
                  static_cast<unsigned long long>(*cost.sleeps));
      if (!has_messages()) continue;
      ASSERT_TRUE(cost.exits);
      EXPECT_EQ(*cost.exits, 0U);
      EXPECT_EQ(*cost.sleeps, 0U);
    }
  }

  // Linux masks a vector while it writes another hart's address to it.
  void move_interrupts_while_fetching(LinuxGuest& guest) {
    if (!has_messages()) return;
    const auto before = kvm_counter(guest.vm().pid(), "mmio_exit_user");
    ASSERT_TRUE(guest.run("grep -c virtio0-input /proc/interrupts"));
    EXPECT_TRUE(guest.run("for i in 1 2 3 4 5 6; do wget -q -O - " + url() +
                              "; done | sha256sum > /tmp/sums & "
                              "fetching=$!; n=0; while kill -0 $fetching 2>/dev/null; do "
                              "for irq in $(grep virtio0- /proc/interrupts | cut -d: -f1); do "
                              "echo $((n % 2 + 1)) > /proc/irq/$irq/smp_affinity; done; n=$((n + 1)); done; "
                              "wait; echo $n moves; cat /tmp/sums",
                          0, kBoot));
    const auto after = kvm_counter(guest.vm().pid(), "mmio_exit_user");
    std::printf("    interrupts moved: %s", guest.output().c_str());
    if (before && after) {
      EXPECT_GT(*after - *before, 20U) << "the table was written";
    }
    std::string six;
    for (int i = 0; i < 6; ++i)
      six += content_;
    EXPECT_NE(guest.output().find(sha256_of(TemporaryFile{six}.path())), std::string::npos);
  }

  // Its driver resets the device, and sets it up again from the first index on.
  void bind_again(LinuxGuest& guest) {
    EXPECT_TRUE(guest.run("cd /sys/bus/virtio/drivers/virtio_net && echo virtio0 > unbind && echo virtio0 > bind; cd"));
    set_address(guest);
    fetch(guest);
  }

  // What a guest sends to an interface that is down is lost, and nothing else is.
  void take_the_tap_down_and_up(LinuxGuest& guest) {
    tap_->set_up(false);
    EXPECT_TRUE(guest.run("ping -c 3 -W 1 10.9.7.1 > /dev/null", 1));
    tap_->set_up(true);
    fetch(guest);
  }

  // The next machine finds the device as the first one did.
  void reset_while_fetching(LinuxGuest& guest) {
    ASSERT_TRUE(guest.vm().send("(while :; do wget -q -O /dev/null " + url() + "; done) & sleep 1; reboot -f\n"));
    ASSERT_TRUE(guest.boots());
    set_address(guest);
    fetch(guest);
  }

  void delete_the_tap_while_fetching(LinuxGuest& guest) {
    ASSERT_TRUE(guest.run("cat /sys/class/net/eth0/carrier"));
    EXPECT_EQ(guest.output(), "1\n");
    ASSERT_TRUE(guest.run("(while :; do wget -q -T 1 -O /dev/null " + url() + "; done) 2>/dev/null & echo begun"));
    EXPECT_TRUE(guest.vm().lives_for(std::chrono::milliseconds{500}));
    tap_->remove();
    EXPECT_TRUE(guest.run("while [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do sleep 0.1; done"));
    EXPECT_NE(guest.vm().errors().find("net0: the tap interface rvtest0 was deleted; its link is down\n"),
              std::string::npos)
        << guest.vm().errors();
    EXPECT_EQ(guest.vm().errors().find("reset"), std::string::npos) << guest.vm().errors();
    EXPECT_TRUE(guest.run("ip link set eth0 down"));
  }

  std::optional<HostTap> tap_;
  const std::string content_ = pattern(kMiB / 2 + 1);
  const std::string sha256_ = sha256_of(TemporaryFile{content_}.path());
  std::optional<WebServer> server_;
};

TEST_F(LinuxTap, MovesFramesWithoutUs) {
  if (is_left_to_other_hosts({"latest:aia"})) GTEST_SKIP() << kOnlyInTheFullRun;
  LinuxGuest guest{launch()};
  StepClock clock;
  ASSERT_TRUE(guest.boots());
  clock.done("boot");
  set_address(guest);
  fetch(guest);
  clock.done("fetch");
  expect_nothing_left_to_us(guest);
  clock.done("transfers");
  move_interrupts_while_fetching(guest);
  clock.done("interrupts");
  bind_again(guest);
  clock.done("bind");
  take_the_tap_down_and_up(guest);
  clock.done("down, up");
  if (environment().full) {
    reset_while_fetching(guest);
    clock.done("reset");
  }
  delete_the_tap_while_fetching(guest);
  clock.done("deleted");
  ASSERT_TRUE(guest.vm().send("poweroff -f\n"));
  EXPECT_TRUE(guest.vm().ends_with(0));
  EXPECT_EQ(guest.vm().error_lines(), 1U) << guest.vm().errors();
}

}  // namespace
}  // namespace rvvmm::test::linux_tap_test

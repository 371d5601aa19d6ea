#include "devices/net/vhost_net.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "devices/net/net_backend.hpp"
#include "devices/virtio/virtio_device.hpp"
#include "fakes/fake_vhost.hpp"
#include "fakes/fake_virtio_driver.hpp"
#include "unit/devices/setup_failure.hpp"

namespace rvvmm::vhost_net_test {
namespace {

using Side = VhostNet::Side;

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kNeeded = kVirtioVersion1 | kVirtioEventIdx | kVirtioIndirectDescriptors | kNetMergeBuffers;
constexpr int kKick = 1001;  // numbers that nobody uses
constexpr int kTap = 1002;

uint64_t address_of(const GuestMemory& memory, Gpa at) {
  return reinterpret_cast<uintptr_t>(memory.slice(at, 0)->data());
}

class VhostNetTest : public ::testing::Test {
 protected:
  Virtqueue make_queue(Gpa at) const {
    std::string_view why;
    return *Virtqueue::create(memory, FakeDriverQueue{memory, at, 64}.layout(), {.event_idx = true}, why);
  }
  static constexpr VhostNet::Connections kConnections{
      .kick = kKick, .tap = kTap, .features = kVirtioVersion1 | kVirtioEventIdx | kNetMergeBuffers | kNetHostTso4};

  const GuestMemory memory{kRam, 16_MiB};
  FakeVhostRecord record;
};

TEST_F(VhostNetTest, HandsAQueueOver) {
  VhostNet vhost{std::make_unique<FakeVhost>(record)};
  Virtqueue queue = make_queue(kRam + 0x3000);
  queue.set_state({.next_available = 65535, .next_used = 7});
  ASSERT_TRUE(vhost.start(Side::kTransmit, queue, kConnections));
  EXPECT_EQ(record.features, kVirtioVersion1 | kVirtioEventIdx | kNetMergeBuffers) << "offloads are the tap's";
  EXPECT_EQ(record.memory.guest_phys_addr, kRam.value);
  EXPECT_EQ(record.memory.memory_size, 16_MiB);
  EXPECT_EQ(record.memory.userspace_addr, address_of(memory, kRam));
  const FakeVhostRecord::Ring& ring = record.rings[1];
  const VirtqueueLayout layout = FakeDriverQueue{memory, kRam + 0x3000, 64}.layout();
  EXPECT_EQ(ring.size, 64U);
  EXPECT_EQ(ring.base, 65535U);
  EXPECT_EQ(ring.addresses.desc_user_addr, address_of(memory, layout.descriptors));
  EXPECT_EQ(ring.addresses.avail_user_addr, address_of(memory, layout.driver_area));
  EXPECT_EQ(ring.addresses.used_user_addr, address_of(memory, layout.device_area));
  EXPECT_EQ(ring.kick, kKick);
  EXPECT_EQ(ring.call, vhost.call_fd(Side::kTransmit));
  EXPECT_EQ(ring.error, vhost.error_fd(Side::kTransmit));
  EXPECT_EQ(ring.backend, kTap);
  EXPECT_EQ(record.rings[0].backend, -1) << "the other side is for itself";
  EXPECT_EQ(record.requests.back(), VHOST_NET_SET_BACKEND) << "it runs from then on";
}

TEST_F(VhostNetTest, GivesItBackWhereItWas) {
  VhostNet vhost{std::make_unique<FakeVhost>(record)};
  Virtqueue queue = make_queue(kRam);
  ASSERT_TRUE(vhost.start(Side::kReceive, queue, kConnections));
  record.rings[0].base = 300;
  const VirtqueueLayout layout = FakeDriverQueue{memory, kRam, 64}.layout();
  memory.store(layout.device_area + 2, uint16_t{299});
  ASSERT_TRUE(vhost.stop(Side::kReceive, queue));
  EXPECT_EQ(queue.state(), (VirtqueueState{.next_available = 300, .next_used = 299}));
  EXPECT_FALSE(record.running(0));
  EXPECT_EQ(record.rings[0].kick, -1);
  EXPECT_FALSE(vhost.stop(Side::kReceive, queue)) << "once";
  ASSERT_TRUE(vhost.start(Side::kReceive, queue, kConnections));
  EXPECT_EQ(record.rings[0].base, 300U);
}

TEST_F(VhostNetTest, StartedTwiceIsStartedOnce) {
  VhostNet vhost{std::make_unique<FakeVhost>(record)};
  const Virtqueue queue = make_queue(kRam);
  ASSERT_TRUE(vhost.start(Side::kReceive, queue, kConnections));
  const size_t requests = record.requests.size();
  EXPECT_TRUE(vhost.start(Side::kReceive, queue, kConnections));
  EXPECT_EQ(record.requests.size(), requests);
}

TEST_F(VhostNetTest, ForgetsAnErrorOfTheDriverBefore) {
  VhostNet vhost{std::make_unique<FakeVhost>(record)};
  Virtqueue queue = make_queue(kRam);
  ASSERT_TRUE(vhost.start(Side::kReceive, queue, kConnections));
  record.signal_error(0);
  vhost.stop(Side::kReceive, queue);
  ASSERT_TRUE(vhost.start(Side::kReceive, queue, kConnections));
  EXPECT_FALSE(take_count(vhost.error_fd(Side::kReceive)));
}

TEST_F(VhostNetTest, IsStoppedWhenItGoes) {
  const Virtqueue queue = make_queue(kRam);
  {
    VhostNet vhost{std::make_unique<FakeVhost>(record)};
    ASSERT_TRUE(vhost.start(Side::kReceive, queue, kConnections));
    ASSERT_TRUE(vhost.start(Side::kTransmit, queue, kConnections));
  }
  EXPECT_FALSE(record.running(0));
  EXPECT_FALSE(record.running(1));
}

TEST_F(VhostNetTest, SaysWhichStepTheHostRefuses) {
  const std::pair<unsigned long, const char*> steps[] = {
      {VHOST_SET_FEATURES, "VHOST_SET_FEATURES"},       {VHOST_SET_MEM_TABLE, "VHOST_SET_MEM_TABLE"},
      {VHOST_SET_VRING_NUM, "VHOST_SET_VRING_NUM"},     {VHOST_SET_VRING_BASE, "VHOST_SET_VRING_BASE"},
      {VHOST_SET_VRING_ADDR, "VHOST_SET_VRING_ADDR"},   {VHOST_SET_VRING_ERR, "VHOST_SET_VRING_ERR"},
      {VHOST_SET_VRING_CALL, "VHOST_SET_VRING_CALL"},   {VHOST_SET_VRING_KICK, "VHOST_SET_VRING_KICK"},
      {VHOST_NET_SET_BACKEND, "VHOST_NET_SET_BACKEND"},
  };
  for (const auto& [request, name] : steps) {
    FakeVhostRecord refusing;
    VhostNet vhost{std::make_unique<FakeVhost>(refusing)};
    refusing.refused = request;
    Virtqueue queue = make_queue(kRam);
    EXPECT_FALSE(vhost.start(Side::kReceive, queue, kConnections)) << name;
    EXPECT_EQ(vhost.why(), std::string{"vhost-net refuses "} + name + ": Bad address");
    EXPECT_FALSE(vhost.stop(Side::kReceive, queue)) << name;
    refusing.refused = 0;
    EXPECT_TRUE(vhost.start(Side::kReceive, queue, kConnections)) << name << ": it may do so later";
  }
}

TEST_F(VhostNetTest, WithoutAnOwnerOrFeaturesThereIsNone) {
  record.refused = VHOST_SET_OWNER;
  EXPECT_EQ(failure([&] { VhostNet{std::make_unique<FakeVhost>(record)}; }),
            "vhost-net refuses VHOST_SET_OWNER: Bad address");
  record.refused = VHOST_GET_FEATURES;
  EXPECT_EQ(failure([&] { VhostNet{std::make_unique<FakeVhost>(record)}; }),
            "vhost-net refuses VHOST_GET_FEATURES: Bad address");
  record.refused = 0;
  record.offered = kNeeded & ~kVirtioEventIdx;
  EXPECT_EQ(failure([&] { VhostNet{std::make_unique<FakeVhost>(record)}; }),
            "this kernel's vhost-net lacks features 0x20000000");
  record.offered = kNeeded;
  EXPECT_EQ(failure([&] { VhostNet{std::make_unique<FakeVhost>(record)}; }), "");
}

TEST(VhostNet, SaysWhyItsDeviceCannotBeOpened) {
  if (::access("/dev/vhost-net", F_OK) == 0) GTEST_SKIP() << "this host has vhost-net";
  EXPECT_EQ(failure([] { VhostNet::open(); }),
            "cannot open /dev/vhost-net: No such file or directory (is the kernel module vhost_net loaded?)");
}

}  // namespace
}  // namespace rvvmm::vhost_net_test

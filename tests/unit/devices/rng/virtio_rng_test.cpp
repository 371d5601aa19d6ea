#include "devices/rng/virtio_rng.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "fakes/fake_virtio_driver.hpp"

namespace rvvmm::virtio_rng_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr Gpa kBuffer = kRam + 0x1000;

class VirtioRngTest : public ::testing::Test {
 protected:
  void start() {
    std::string_view why;
    VirtioSession session{.queues = {}, .features = kVirtioVersion1, .driver = &side};
    session.queues.push_back(Virtqueue::create(memory, queue.layout(), {}, why));
    ASSERT_TRUE(session.queues[0]) << why;
    rng.start(std::move(session));
  }
  bool buffer_is_zero(uint64_t offset, uint64_t length) {
    return std::ranges::all_of(*memory.slice(kBuffer + offset, length), [](std::byte b) { return b == std::byte{0}; });
  }

  const GuestMemory memory{kRam, 64_KiB};
  FakeDriverQueue queue{memory, kRam, 8};
  FakeDriverSide side;
  VirtioRng rng;
};

TEST_F(VirtioRngTest, FillsBuffersWithRandomBytes) {
  queue.set_chain(0, {{.address = kBuffer.value, .length = 32, .flags = kDescWrite},
                      {.address = kBuffer.value + 64, .length = 32, .flags = kDescWrite}});
  start();
  queue.offer(0);
  rng.on_doorbell(0);
  EXPECT_EQ(queue.take_used(), (FakeUsed{.id = 0, .length = 64}));
  EXPECT_EQ(side.queue_interrupts, 1);
  EXPECT_FALSE(buffer_is_zero(0, 32));
  EXPECT_TRUE(buffer_is_zero(32, 32));
  EXPECT_FALSE(buffer_is_zero(64, 32));
}

TEST_F(VirtioRngTest, LongRequestsAreFilledInPart) {
  queue.set_chain(0, {{.address = kBuffer.value, .length = 0x8000, .flags = kDescWrite}});
  start();
  queue.offer(0);
  rng.on_doorbell(0);
  EXPECT_EQ(queue.take_used(), (FakeUsed{.id = 0, .length = 256}));
}

TEST_F(VirtioRngTest, ARequestWithoutRoomIsGivenBackEmpty) {
  queue.set_chain(0, {{.address = kBuffer.value, .length = 32}});
  start();
  queue.offer(0);
  rng.on_doorbell(0);
  EXPECT_EQ(queue.take_used(), (FakeUsed{.id = 0, .length = 0}));
}

TEST_F(VirtioRngTest, ABrokenQueueIsReportedAndLeftAlone) {
  queue.set_chain(0, {{.address = 0x1000, .length = 32, .flags = kDescWrite}});
  start();
  queue.offer(0);
  rng.on_doorbell(0);
  rng.on_doorbell(0);
  EXPECT_FALSE(queue.take_used());
  EXPECT_GE(side.resets_needed, 1);
}

TEST_F(VirtioRngTest, StoppedItServesNothing) {
  queue.set_chain(0, {{.address = kBuffer.value, .length = 32, .flags = kDescWrite}});
  start();
  rng.stop();
  queue.offer(0);
  rng.on_doorbell(0);
  EXPECT_FALSE(queue.take_used());
  EXPECT_TRUE(buffer_is_zero(0, 32));
}

TEST_F(VirtioRngTest, HeldItServesNothingUntilItGoesOn) {
  queue.set_chain(0, {{.address = kBuffer.value, .length = 32, .flags = kDescWrite}});
  start();
  rng.hold();
  EXPECT_TRUE(rng.is_quiet());
  queue.offer(0);
  rng.on_doorbell(0);
  EXPECT_FALSE(queue.take_used());
  EXPECT_EQ(side.queue_interrupts, 0);
  EXPECT_TRUE(buffer_is_zero(0, 32));
  rng.go_on();
  rng.on_doorbell(0);
  EXPECT_EQ(queue.take_used(), (FakeUsed{.id = 0, .length = 32}));
  EXPECT_EQ(side.queue_interrupts, 1);
}

TEST_F(VirtioRngTest, HeldItCanBeStoppedAndStarted) {
  queue.set_chain(0, {{.address = kBuffer.value, .length = 32, .flags = kDescWrite}});
  start();
  queue.offer(0);
  rng.on_doorbell(0);
  rng.hold();
  rng.stop();
  EXPECT_EQ(rng.stopped_at(0), (VirtqueueState{.next_available = 1, .next_used = 1}));
  rng.go_on();
  rng.hold();
  queue.take_used();
  start();
  queue.offer(0);
  rng.on_doorbell(0);
  EXPECT_FALSE(queue.take_used());
}

TEST_F(VirtioRngTest, StoppedItSaysWhereItsQueueStands) {
  queue.set_chain(0, {{.address = kBuffer.value, .length = 32, .flags = kDescWrite}});
  start();
  for (int i = 0; i < 3; ++i) {
    queue.offer(0);
    rng.on_doorbell(0);
  }
  rng.stop();
  const VirtqueueState expected{.next_available = 3, .next_used = 3};
  EXPECT_EQ(rng.stopped_at(0), expected);
  EXPECT_EQ(rng.stopped_at(1), VirtqueueState{}) << "there is none";
  rng.stop();
  EXPECT_EQ(rng.stopped_at(0), expected) << "it was stopped already";
}

}  // namespace
}  // namespace rvvmm::virtio_rng_test

// A network device whose frames the kernel moves: what is left to the device.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "devices/net/virtio_net.hpp"
#include "fakes/fake_net_backend.hpp"
#include "fakes/fake_vhost.hpp"
#include "fakes/fake_virtio_driver.hpp"

namespace rvvmm::virtio_net_vhost_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr Gpa kBuffers = kRam + 0x2'0000;
constexpr uint64_t kMultiQueue = kNetMergeBuffers | kNetControlQueue | kNetMultiQueue;

class VirtioNetVhostTest : public ::testing::Test {
 protected:
  void make(uint16_t pairs = 1) {
    auto made = std::make_unique<FakeNetBackend>(pairs);
    backend = made.get();
    VirtioNetOptions options{.number = 0, .mac = {}, .backend = std::move(made)};
    for (uint16_t pair = 0; pair < pairs; ++pair) {
      records.push_back(std::make_unique<FakeVhostRecord>());
      options.vhost.push_back(std::make_unique<VhostNet>(std::make_unique<FakeVhost>(*records.back())));
    }
    net = std::make_unique<VirtioNet>(std::move(options));
    for (size_t i = 0; i < net->queue_sizes().size(); ++i)
      queues.emplace_back(memory, kRam + i * 0x2000, uint16_t{64});
  }
  void start(uint64_t features = kNetMergeBuffers, std::vector<VirtqueueState> states = {}) {
    VirtioSession session{.queues = {}, .features = kVirtioVersion1 | features, .driver = &side};
    std::string_view why;
    for (const FakeDriverQueue& queue : queues)
      session.queues.push_back(Virtqueue::create(memory, queue.layout(), {}, why));
    for (size_t i = 0; i < states.size(); ++i)
      session.queues[i]->set_state(states[i]);
    net->start(std::move(session));
    settle();
  }
  void settle() {
    for (int i = 0; i < 8; ++i)
      net->serve_events(0);
  }
  FakeVhostRecord::Ring& ring(size_t index) { return records[index / 2]->rings[index % 2]; }
  bool runs(size_t index) { return records[index / 2]->running(index % 2); }
  bool link_up() {
    uint16_t status = 0;
    net->read_config(6, std::as_writable_bytes(std::span{&status, 1}));
    return status == 1;
  }
  /// A frame of 60 bytes to be sent, and a kick.
  void send(uint16_t queue) {
    queues[queue].set_descriptor(0, {.address = kBuffers.value, .length = sizeof(VirtioNetHeader) + 60});
    queues[queue].offer(0);
    add_one(net->doorbells()[queue]);
    settle();
  }
  /// Sets the number of pairs in use; returns the device's answer.
  uint8_t set_pairs(uint16_t pairs, uint16_t queue) {
    memory.store(kBuffers, std::array<uint8_t, 4>{4, 0, static_cast<uint8_t>(pairs), 0});
    memory.store(kBuffers + 4, uint8_t{0xAA});
    queues[queue].set_chain(0, {{.address = kBuffers.value, .length = 4},
                                {.address = (kBuffers + 4).value, .length = 1, .flags = kDescWrite}});
    queues[queue].offer(0);
    add_one(net->doorbells()[queue]);
    settle();
    return *memory.load<uint8_t>(kBuffers + 4);
  }

  const GuestMemory memory{kRam, 16_MiB};
  FakeDriverSide side;
  std::vector<std::unique_ptr<FakeVhostRecord>> records;
  FakeNetBackend* backend = nullptr;
  std::unique_ptr<VirtioNet> net;
  std::vector<FakeDriverQueue> queues;
};

TEST_F(VirtioNetVhostTest, TheKernelGetsQueuesDoorbellsAndTheTap) {
  make();
  EXPECT_FALSE(runs(0));
  start();
  for (const size_t index : {0U, 1U}) {
    ASSERT_TRUE(runs(index));
    EXPECT_EQ(ring(index).kick, net->doorbells()[index]);
    EXPECT_EQ(ring(index).call, net->calls()[index]);
    EXPECT_EQ(ring(index).backend, backend->fd(0));
    EXPECT_EQ(ring(index).size, 64U);
    EXPECT_TRUE(take_count(net->doorbells()[index])) << "kicked once for what is there already";
  }
  EXPECT_NE(backend->started_with & kVirtioVersion1, 0U) << "offloads are set all the same";
}

TEST_F(VirtioNetVhostTest, WeMoveNoFrame) {
  make();
  start();
  const int before = backend->receives;  // to drop what is not for this driver
  queues[0].set_descriptor(0, {.address = kBuffers.value, .length = 2048, .flags = kDescWrite});
  queues[0].offer(0);
  backend->put(0, "a frame of more than fourteen bytes");
  send(1);
  net->on_doorbell(1);  // as from a driver before
  EXPECT_EQ(backend->receives, before);
  EXPECT_TRUE(backend->sent[0].empty());
  EXPECT_EQ(queues[0].used_index(), 0);
  EXPECT_EQ(queues[1].used_index(), 0);
}

TEST_F(VirtioNetVhostTest, ACallThatNobodyTakesIsAnInterrupt) {
  make();
  start();
  const int before = side.queue_interrupts;
  records[0]->signal_call(1);
  settle();
  EXPECT_EQ(side.queue_interrupts, before + 1);
  EXPECT_EQ(side.last_queue, 1);
  settle();
  EXPECT_EQ(side.queue_interrupts, before + 1);
}

TEST_F(VirtioNetVhostTest, StoppedItsStateIsTheKernels) {
  make();
  start(kNetMergeBuffers, {{.next_available = 5, .next_used = 5}, {.next_available = 9, .next_used = 9}});
  EXPECT_EQ(ring(0).base, 5U);
  EXPECT_EQ(ring(1).base, 9U);
  ring(0).base = 20;
  memory.store(queues[0].layout().device_area + 2, uint16_t{20});
  net->stop();
  EXPECT_FALSE(runs(0));
  EXPECT_FALSE(runs(1));
  EXPECT_EQ(net->stopped_at(0), (VirtqueueState{.next_available = 20, .next_used = 20}));
  EXPECT_EQ(net->stopped_at(1), (VirtqueueState{.next_available = 9, .next_used = 0}));
  records[0]->signal_call(0);
  settle();
  EXPECT_EQ(side.queue_interrupts, 0) << "nobody to interrupt";
}

TEST_F(VirtioNetVhostTest, AnInterruptThatWasNotReadYetIsNotLostByAStop) {
  make();
  start();
  records[0]->signal_call(0);
  net->stop();
  EXPECT_EQ(side.queue_interrupts, 1);
  EXPECT_EQ(side.last_queue, 0);
  settle();
  EXPECT_EQ(side.queue_interrupts, 1);
}

TEST_F(VirtioNetVhostTest, ABrokenQueueIsLeftAloneAndTheOtherGoesOn) {
  make();
  start();
  records[0]->signal_error(0);
  settle();
  EXPECT_EQ(side.resets_needed, 1);
  EXPECT_FALSE(runs(0));
  EXPECT_TRUE(runs(1));
  EXPECT_TRUE(link_up());
  net->stop();
  start();
  EXPECT_TRUE(runs(0)) << "after a reset it may be used again";
  records[0]->signal_error(0);
  net->stop();
  settle();
  EXPECT_EQ(side.resets_needed, 1) << "a driver that is gone has broken nothing";
}

TEST_F(VirtioNetVhostTest, WhereTheKernelRefusesWeMoveFrames) {
  make();
  records[0]->refused = VHOST_NET_SET_BACKEND;
  start();
  EXPECT_FALSE(runs(0));
  EXPECT_TRUE(link_up());
  EXPECT_EQ(side.resets_needed, 0);
  send(1);
  EXPECT_EQ(backend->sent[0].size(), 1U);
  EXPECT_EQ(queues[1].used_index(), 1);
  records[0]->refused = 0;
  net->stop();
  start();
  EXPECT_FALSE(runs(0)) << "it is not asked again";
}

TEST_F(VirtioNetVhostTest, RefusedHalfWayNothingIsLeftToTheKernel) {
  make(2);
  records[1]->refused = VHOST_SET_VRING_KICK;
  start(kMultiQueue);
  EXPECT_TRUE(runs(0));
  EXPECT_EQ(set_pairs(2, 4), 0);
  for (size_t index = 0; index < 4; ++index)
    EXPECT_FALSE(runs(index)) << index;
  send(3);
  EXPECT_EQ(backend->sent[1].size(), 1U);
}

TEST_F(VirtioNetVhostTest, WhenTheTapIsGoneTheLinkGoesDown) {
  make();
  start();
  backend->tell_that_it_is_gone();
  settle();
  EXPECT_EQ(side.config_changes, 1);
  EXPECT_FALSE(link_up());
  EXPECT_FALSE(runs(0));
  EXPECT_FALSE(runs(1));
  send(1);
  EXPECT_EQ(queues[1].used_index(), 1) << "as into a cable that is not plugged in";
  EXPECT_EQ(side.resets_needed, 0);
}

TEST_F(VirtioNetVhostTest, NewsOfOtherInterfacesAreNothing) {
  make();
  start();
  backend->tell_news();
  settle();
  EXPECT_TRUE(runs(0));
  EXPECT_TRUE(link_up());
  EXPECT_EQ(side.config_changes, 0);
}

TEST_F(VirtioNetVhostTest, WhatVhostCannotSendForWantOfATapIsNoFaultOfTheDrivers) {
  make();
  start();
  backend->is_gone = true;
  records[0]->signal_error(1);
  settle();
  EXPECT_EQ(side.resets_needed, 0);
  EXPECT_FALSE(link_up());
}

TEST_F(VirtioNetVhostTest, PairsComeAndGo) {
  make(3);
  ASSERT_EQ(net->calls().size(), 7U);
  EXPECT_EQ(net->calls()[6], -1) << "the control queue is ours";
  start(kMultiQueue);
  EXPECT_TRUE(runs(1));
  EXPECT_FALSE(runs(2));
  EXPECT_EQ(set_pairs(3, 6), 0);
  for (size_t index = 0; index < 6; ++index) {
    EXPECT_TRUE(runs(index)) << index;
    EXPECT_EQ(ring(index).backend, backend->fd(static_cast<uint16_t>(index / 2)));
    EXPECT_TRUE(take_count(net->doorbells()[index])) << index;
  }
  ring(3).base = 40;
  EXPECT_EQ(set_pairs(1, 6), 0);
  EXPECT_TRUE(runs(0));
  EXPECT_FALSE(runs(3));
  EXPECT_EQ(set_pairs(2, 6), 0);
  EXPECT_TRUE(runs(3));
  EXPECT_EQ(ring(3).base, 40U) << "it goes on where it was";
  EXPECT_FALSE(runs(4));
  EXPECT_EQ(backend->active_pairs, 2);
}

TEST_F(VirtioNetVhostTest, TheControlQueueOfADriverOfOnePairIsOurs) {
  make(2);
  start(kNetControlQueue);
  EXPECT_EQ(set_pairs(2, 2), 1) << "answered, with an error";
  net->stop();
  start(kMultiQueue);
  EXPECT_EQ(set_pairs(2, 4), 0);
  EXPECT_EQ(ring(2).kick, net->doorbells()[2]);
  const uint16_t before = queues[2].used_index();
  send(2);
  EXPECT_EQ(queues[2].used_index(), before) << "now it is the kernel's";
}

TEST_F(VirtioNetVhostTest, QueuesThatTheDriverDidNotEnableAreNotStarted) {
  make();
  VirtioSession session{.queues = {}, .features = kVirtioVersion1, .driver = &side};
  std::string_view why;
  session.queues.emplace_back();
  session.queues.push_back(Virtqueue::create(memory, queues[1].layout(), {}, why));
  net->start(std::move(session));
  EXPECT_FALSE(runs(0));
  EXPECT_TRUE(runs(1));
  net->stop();
  EXPECT_EQ(net->stopped_at(0), VirtqueueState{});
}

}  // namespace
}  // namespace rvvmm::virtio_net_vhost_test

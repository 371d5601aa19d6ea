#include "devices/net/virtio_net.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "fakes/fake_net_backend.hpp"
#include "fakes/fake_virtio_driver.hpp"

namespace rvvmm::virtio_net_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr Gpa kBuffers = kRam + 0x2'0000;
constexpr size_t kHeader = sizeof(VirtioNetHeader);
constexpr MacAddress kMac{0x02, 1, 2, 3, 4, 5};

std::string pattern(size_t bytes) {
  std::string frame(bytes, '\0');
  for (size_t i = 0; i < bytes; ++i)
    frame[i] = static_cast<char>(i * 7 + i / 251);
  return frame;
}

class VirtioNetTest : public ::testing::Test {
 protected:
  void make(uint16_t pairs = 1) {
    auto made = std::make_unique<FakeNetBackend>(pairs);
    backend = made.get();
    net = std::make_unique<VirtioNet>(VirtioNetOptions{.number = 0, .mac = kMac, .backend = std::move(made)});
    for (size_t i = 0; i < net->queue_sizes().size(); ++i)
      queues.emplace_back(memory, kRam + i * 0x2000, uint16_t{64});
  }
  void start(uint64_t features = kNetMergeBuffers, bool event_idx = false) {
    VirtioSession session{.queues = {}, .features = kVirtioVersion1 | features, .driver = &side};
    std::string_view why;
    for (const FakeDriverQueue& queue : queues) {
      session.queues.push_back(Virtqueue::create(memory, queue.layout(), {.event_idx = event_idx}, why));
      ASSERT_TRUE(session.queues.back()) << why;
    }
    net->start(std::move(session));
    settle();
  }
  void settle() {
    for (int i = 0; i < 8; ++i)
      net->serve_events(0);
  }
  /// Offers receive buffer number `index`.
  void give_buffer(uint16_t index, uint32_t bytes, uint16_t queue = 0) {
    queues[queue].set_descriptor(index, {.address = at(index).value, .length = bytes, .flags = kDescWrite});
    queues[queue].offer(index);
  }
  void kick(uint16_t queue) {
    net->on_doorbell(queue);
    settle();
  }
  static Gpa at(uint16_t index) { return kBuffers + uint64_t{index} * 0x2'0000; }
  std::string bytes_at(Gpa from, size_t length) {
    const auto bytes = *memory.slice(from, length);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  uint16_t buffers_of_frame(uint16_t index) { return *memory.load<uint16_t>(at(index) + 10); }
  /// Sends `bytes` of frame from buffer `index`, with a virtio header of zeroes in front.
  void send(uint16_t index, const std::string& frame, uint16_t queue = 1) {
    const std::string all = std::string(kHeader, '\0') + frame;
    std::ranges::copy(std::as_bytes(std::span{all}), memory.slice(at(index), all.size())->begin());
    queues[queue].set_descriptor(index, {.address = at(index).value, .length = static_cast<uint32_t>(all.size())});
    queues[queue].offer(index);
  }
  template <typename T>
  T config(uint64_t offset) {
    T value;
    net->read_config(offset, std::as_writable_bytes(std::span{&value, 1}));
    return value;
  }

  const GuestMemory memory{kRam, 16_MiB};
  FakeDriverSide side;
  FakeNetBackend* backend = nullptr;
  std::unique_ptr<VirtioNet> net;
  std::vector<FakeDriverQueue> queues;
};

TEST_F(VirtioNetTest, TellsItsConfiguration) {
  make(4);
  EXPECT_EQ(config<MacAddress>(0), kMac);
  EXPECT_EQ(config<uint16_t>(6), 1);  // link up
  EXPECT_EQ(config<uint16_t>(8), 4);
  EXPECT_EQ(config<uint16_t>(10), 9000);
  EXPECT_EQ(config<uint64_t>(12), 0U);
  EXPECT_EQ(config<uint64_t>(UINT64_MAX - 3), 0U);
  EXPECT_EQ(net->queue_sizes().size(), 9U);
  EXPECT_EQ(net->features(),
            kNetCsum | kNetMtu | kNetMac | kNetStatus | kNetMergeBuffers | kNetControlQueue | kNetMultiQueue);
}

TEST_F(VirtioNetTest, OffersNoControlQueueForOnePair) {
  make();
  EXPECT_EQ(net->queue_sizes().size(), 2U);
  EXPECT_EQ(net->features() & (kNetControlQueue | kNetMultiQueue), 0U);
}

TEST_F(VirtioNetTest, AFrameComesInWithOneInterrupt) {
  make();
  start();
  give_buffer(0, 2048);
  kick(0);
  const int before = side.queue_interrupts;
  backend->put(0, pattern(100));
  net->serve_events(1000);
  EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = 0, .length = 112}));
  EXPECT_EQ(bytes_at(at(0), 10), std::string(10, '\xEE'));
  EXPECT_EQ(buffers_of_frame(0), 1);
  EXPECT_EQ(bytes_at(at(0) + kHeader, 100), pattern(100));
  EXPECT_EQ(side.queue_interrupts, before + 1);
  EXPECT_EQ(net->counters().received, 1U);
}

TEST_F(VirtioNetTest, FramesWaitWhileItIsOnlyStopped) {
  make();
  net->reset();
  start();
  net->stop();
  backend->put(0, pattern(100));
  start();
  give_buffer(0, 2048);
  kick(0);
  EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = 0, .length = 112}));
}

TEST_F(VirtioNetTest, SeveralFramesAreOneInterrupt) {
  make();
  start();
  for (uint16_t i = 0; i < 32; ++i)
    give_buffer(i, 2048);
  for (size_t i = 0; i < 32; ++i)
    backend->put(0, pattern(60 + i));
  const int before = side.queue_interrupts;
  net->serve_events(1000);
  EXPECT_EQ(queues[0].used_index(), 32);
  EXPECT_EQ(side.queue_interrupts, before + 1);
  for (uint16_t i = 0; i < 32; ++i) {
    EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = i, .length = 72U + i}));
    EXPECT_EQ(bytes_at(at(i) + kHeader, 60U + i), pattern(60U + i));
  }
}

TEST_F(VirtioNetTest, ALongFrameTakesSeveralBuffers) {
  make();
  start();
  for (uint16_t i = 0; i < 50; ++i)
    give_buffer(i, 1500);
  // The second is as long as the first: by then it is expected and read straight into all buffers.
  for (uint16_t round = 0; round < 2; ++round) {
    const std::string frame = pattern(30'000);
    backend->put(0, frame);
    settle();
    const auto first = static_cast<uint16_t>(round * 21);
    std::string seen;
    for (uint16_t i = first; i < first + 21; ++i) {
      const uint32_t length = i == first + 20 ? 12 : 1500;  // 30,012 bytes
      EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = i, .length = length}));
      seen += bytes_at(at(i), length);
    }
    EXPECT_EQ(buffers_of_frame(first), 21);
    EXPECT_EQ(seen.substr(kHeader), frame);
    EXPECT_FALSE(queues[0].take_used());
  }
}

TEST_F(VirtioNetTest, AFrameWaitsForItsLastBuffer) {
  make();
  start();
  give_buffer(0, 1000);
  give_buffer(1, 1000);
  const std::string frame = pattern(2500);
  backend->put(0, frame);
  backend->put(0, pattern(60));
  settle();
  EXPECT_EQ(queues[0].used_index(), 0);  // all of it or nothing
  EXPECT_EQ(backend->incoming[0].size(), 1U);
  give_buffer(2, 1000);
  kick(0);
  EXPECT_EQ(queues[0].used_index(), 3);
  EXPECT_EQ((bytes_at(at(0), 1000) + bytes_at(at(1), 1000) + bytes_at(at(2), 512)).substr(kHeader), frame);
  give_buffer(3, 1000);
  kick(0);
  EXPECT_EQ(bytes_at(at(3) + kHeader, 60), pattern(60));
  EXPECT_EQ(net->counters().receive_drops, 0U);
}

TEST_F(VirtioNetTest, WithoutBuffersTheBackendIsNotRead) {
  make();
  start();
  const int before = backend->receives;
  for (int i = 0; i < 5; ++i)
    backend->put(0, pattern(60));
  settle();
  EXPECT_EQ(backend->receives, before);
  EXPECT_EQ(backend->incoming[0].size(), 5U);
  for (uint16_t i = 0; i < 5; ++i)
    give_buffer(i, 2048);
  kick(0);
  EXPECT_EQ(queues[0].used_index(), 5);
}

TEST_F(VirtioNetTest, AsksForKicksOnlyWithoutBuffers) {
  make();
  start();
  EXPECT_EQ(queues[0].device_flags(), 0);
  give_buffer(0, 2048);
  kick(0);
  EXPECT_EQ(queues[0].device_flags(), 1);
  backend->put(0, pattern(60));
  settle();
  EXPECT_EQ(queues[0].device_flags(), 0);
}

TEST_F(VirtioNetTest, WithoutMergingAFrameThatIsTooLongIsDropped) {
  make();
  start(0);
  give_buffer(0, 1526);
  give_buffer(1, 1526);
  kick(0);
  backend->put(0, pattern(1515));
  backend->put(0, pattern(1514));
  settle();
  EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = 0, .length = 1526}));
  EXPECT_EQ(bytes_at(at(0) + kHeader, 1514), pattern(1514));
  EXPECT_EQ(buffers_of_frame(0), 1);
  EXPECT_FALSE(queues[0].take_used());
  EXPECT_EQ(net->counters().receive_drops, 1U);
}

TEST_F(VirtioNetTest, AFrameForWhichAllBuffersInHandAreTooSmallIsDropped) {
  make();
  start();
  for (uint16_t i = 0; i < 64; ++i)
    give_buffer(i, 16);
  backend->put(0, pattern(2000));
  backend->put(0, pattern(20));
  settle();
  EXPECT_EQ(net->counters().receive_drops, 1U);
  EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = 0, .length = 16}));
  EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = 1, .length = 16}));
}

TEST_F(VirtioNetTest, BuffersWithoutRoomForAHeaderComeBackEmpty) {
  make();
  start();
  give_buffer(0, 11);
  queues[0].set_descriptor(1, {.address = at(1).value, .length = 2048});  // to read
  queues[0].offer(1);
  give_buffer(2, 2048);
  backend->put(0, pattern(60));
  kick(0);
  EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = 0, .length = 0}));
  EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = 1, .length = 0}));
  EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = 2, .length = 72}));
}

TEST_F(VirtioNetTest, StoppedItHasNoBufferInHandWhateverTheirLengths) {
  make();
  start();
  // More room than the first one has is wanted, so that all are taken; the one between has none for a header.
  give_buffer(0, 20);
  give_buffer(1, 11);
  give_buffer(2, 2048);
  kick(0);
  net->stop();
  EXPECT_EQ(net->stopped_at(0), (VirtqueueState{.next_available = 0, .next_used = 0}));
  EXPECT_EQ(queues[0].used_index(), 0);
}

TEST_F(VirtioNetTest, ABufferWithoutRoomForAHeaderIsRoomBehindAnother) {
  make();
  start();
  give_buffer(0, 20);
  give_buffer(1, 11);
  give_buffer(2, 41);
  give_buffer(3, 11);
  give_buffer(4, 2048);
  backend->put(0, pattern(60));
  backend->put(0, pattern(61));
  kick(0);
  for (const auto& [index, length] : {std::pair{0U, 20U}, std::pair{1U, 11U}, std::pair{2U, 41U}})
    EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = index, .length = length}));
  EXPECT_EQ(buffers_of_frame(0), 3);
  EXPECT_EQ((bytes_at(at(0), 20) + bytes_at(at(1), 11) + bytes_at(at(2), 41)).substr(kHeader), pattern(60));
  EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = 3, .length = 0})) << "the next frame cannot begin there";
  EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = 4, .length = 73}));
  net->stop();
  EXPECT_EQ(net->stopped_at(0), (VirtqueueState{.next_available = 5, .next_used = 5}));
}

TEST_F(VirtioNetTest, AHeaderInPiecesIsWhole) {
  make();
  start();
  queues[0].set_chain(0, {{.address = at(0).value, .length = 11, .flags = kDescWrite},
                          {.address = at(1).value, .length = 0, .flags = kDescWrite},
                          {.address = at(2).value, .length = 100, .flags = kDescWrite}});
  queues[0].offer(0);
  backend->put(0, pattern(60));
  kick(0);
  EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = 0, .length = 72}));
  EXPECT_EQ(bytes_at(at(0) + 10, 1), std::string(1, '\1'));
  EXPECT_EQ(bytes_at(at(2), 61), std::string(1, '\0') + pattern(60));
}

TEST_F(VirtioNetTest, SendsAFrameStraight) {
  make();
  start();
  send(0, pattern(100));
  kick(1);
  ASSERT_EQ(backend->sent[0].size(), 1U);
  EXPECT_EQ(backend->sent[0][0], std::string(kHeader, '\0') + pattern(100));
  EXPECT_EQ(queues[1].take_used(), (FakeUsed{.id = 0, .length = 0}));
  EXPECT_EQ(side.last_queue, 1);
}

TEST_F(VirtioNetTest, FramesOfImpossibleLengthAreDroppedAndGivenBack) {
  make();
  start();
  send(0, pattern(13));
  send(1, pattern(14));
  send(2, pattern(kLongestFrame));
  send(3, pattern(kLongestFrame + 1));
  queues[1].set_descriptor(4, {.address = at(4).value, .length = 0});
  queues[1].offer(4);
  queues[1].set_descriptor(5, {.address = at(5).value, .length = 2048, .flags = kDescWrite});  // nothing to read
  queues[1].offer(5);
  queues[1].set_descriptor(6, {.address = kRam.value, .length = 16U << 20});
  queues[1].offer(6);
  kick(1);
  ASSERT_EQ(backend->sent[0].size(), 2U);
  EXPECT_EQ(backend->sent[0][0].size(), kHeader + 14);
  EXPECT_EQ(backend->sent[0][1].size(), kHeader + kLongestFrame);
  EXPECT_EQ(queues[1].used_index(), 7);
  EXPECT_EQ(net->counters().transmit_drops, 5U);
  EXPECT_EQ(net->counters().sent, 2U);
}

TEST_F(VirtioNetTest, AFrameThatTheHostRefusesIsDropped) {
  make();
  start();
  backend->refuses = true;
  send(0, pattern(100));
  kick(1);
  EXPECT_EQ(queues[1].used_index(), 1);
  EXPECT_EQ(net->counters().transmit_drops, 1U);
  EXPECT_EQ(side.config_changes, 0);
}

TEST_F(VirtioNetTest, FramesWaitWhileTheBackendHasNoRoom) {
  make();
  start();
  backend->has_room = false;
  send(0, pattern(100));
  send(1, pattern(200));
  net->on_doorbell(1);
  EXPECT_EQ(queues[1].used_index(), 0);
  backend->has_room = true;
  settle();  // the eventfd behind it is always writable
  EXPECT_EQ(queues[1].used_index(), 2);
  ASSERT_EQ(backend->sent[0].size(), 2U);
  EXPECT_EQ(backend->sent[0][0].size(), kHeader + 100);
  EXPECT_EQ(backend->sent[0][1].size(), kHeader + 200);
}

TEST_F(VirtioNetTest, WhenTheBackendGoesTheLinkGoesDownOnce) {
  make();
  start();
  give_buffer(0, 2048);
  kick(0);
  backend->is_gone = true;
  backend->signal(0);
  settle();
  EXPECT_EQ(side.config_changes, 1);
  EXPECT_EQ(config<uint16_t>(6), 0);
  send(0, pattern(100));
  kick(1);
  EXPECT_EQ(queues[1].used_index(), 1);  // as into a cable that is not plugged in
  EXPECT_EQ(side.config_changes, 1);
  EXPECT_EQ(side.resets_needed, 0);
}

TEST_F(VirtioNetTest, StoppedItTouchesNothingAndStartsAnew) {
  make();
  start();
  give_buffer(0, 1000);
  kick(0);
  backend->put(0, pattern(1500));  // half of it is in buffer 0
  settle();
  net->stop();
  net->stop();
  send(0, pattern(100));
  kick(1);
  backend->put(0, pattern(60));
  settle();
  EXPECT_EQ(queues[0].used_index(), 0);
  EXPECT_EQ(queues[1].used_index(), 0);

  queues.clear();
  for (size_t i = 0; i < 2; ++i) {
    queues.emplace_back(memory, kRam + i * 0x2000, uint16_t{64});
    memory.store(queues[i].layout().driver_area, uint32_t{0});
    memory.store(queues[i].layout().device_area, uint32_t{0});
  }
  give_buffer(0, 2048);
  start();
  EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = 0, .length = 72}));
}

TEST_F(VirtioNetTest, ABrokenQueueIsReportedAndTheOtherGoesOn) {
  make();
  start();
  queues[0].set_descriptor(0, {.address = 0x1000, .length = 2048, .flags = kDescWrite});
  queues[0].offer(0);
  kick(0);
  EXPECT_GE(side.resets_needed, 1);
  send(0, pattern(100));
  kick(1);
  EXPECT_EQ(backend->sent[0].size(), 1U);
}

TEST_F(VirtioNetTest, MovesNoMoreThanAQueueAtATime) {
  make();
  start();
  for (uint16_t i = 0; i < 64; ++i)
    give_buffer(i, 128);
  for (size_t i = 0; i < 100; ++i)
    backend->incoming[0].push_back(pattern(20));
  net->on_doorbell(0);
  EXPECT_EQ(queues[0].used_index(), 64);
  for (uint16_t i = 0; i < 36; ++i)
    queues[0].offer(i);
  settle();  // it has rung its own doorbell
  EXPECT_EQ(queues[0].used_index(), 100);
}

class VirtioNetControl : public VirtioNetTest {
 protected:
  uint8_t command(uint8_t what, uint8_t which, uint16_t value, uint16_t queue = 8, uint32_t length = 4) {
    const std::array<uint8_t, 4> bytes{what, which, static_cast<uint8_t>(value), static_cast<uint8_t>(value >> 8)};
    memory.store(at(0), bytes);
    memory.store(at(1), uint8_t{0xAA});
    queues[queue].set_chain(
        0, {{.address = at(0).value, .length = length}, {.address = at(1).value, .length = 1, .flags = kDescWrite}});
    queues[queue].offer(0);
    kick(queue);
    EXPECT_EQ(queues[queue].take_used(), (FakeUsed{.id = 0, .length = 1}));
    return *memory.load<uint8_t>(at(1));
  }
};

TEST_F(VirtioNetControl, SetsHowManyPairsAreInUse) {
  make(4);
  start(kNetMergeBuffers | kNetControlQueue | kNetMultiQueue);
  EXPECT_EQ(backend->active_pairs, 1);
  give_buffer(0, 2048, 6);
  backend->put(3, pattern(60));
  kick(6);
  EXPECT_EQ(queues[6].used_index(), 0);
  pollfd doorbell{.fd = net->doorbells()[6], .events = POLLIN, .revents = 0};
  EXPECT_EQ(::poll(&doorbell, 1, 0), 0) << "what is not in use keeps nobody busy";
  EXPECT_EQ(command(4, 0, 4), 0);
  EXPECT_EQ(backend->active_pairs, 4);
  EXPECT_EQ(net->state(), (VirtioNetState{.active_pairs = 4}));
  settle();
  EXPECT_EQ(queues[6].used_index(), 1);
  send(5, pattern(60), 7);
  kick(7);
  EXPECT_EQ(backend->sent[3].size(), 1U);
}

TEST_F(VirtioNetTest, AStartDropsNoMoreStaleFramesThanAHostHolds) {
  make();
  net->reset();
  backend->incoming[0].assign(2003, pattern(20));
  start();
  EXPECT_EQ(backend->incoming[0].size(), 3U) << "frames that come for ever do not keep a driver from its start";
  EXPECT_EQ(net->counters().receive_drops, 2000U);
}

TEST_F(VirtioNetControl, FramesFromBeforeItsDriversResetAreDropped) {
  make(2);
  for (const uint16_t pair : {uint16_t{0}, uint16_t{1}}) {
    backend->put(pair, pattern(100));
    backend->put(pair, pattern(200));
  }
  net->reset();
  start(kNetMergeBuffers | kNetControlQueue | kNetMultiQueue);
  EXPECT_EQ(backend->incoming[0].size(), 0U);
  EXPECT_EQ(backend->incoming[1].size(), 2U) << "its queue is not the driver's yet";
  EXPECT_EQ(net->counters().receive_drops, 2U);
  give_buffer(0, 2048);
  kick(0);
  EXPECT_EQ(queues[0].used_index(), 0);
  backend->put(0, pattern(60));
  net->serve_events(1000);
  EXPECT_EQ(queues[0].take_used(), (FakeUsed{.id = 0, .length = 72}));
  EXPECT_EQ(command(4, 0, 2, 4), 0);
  EXPECT_EQ(backend->incoming[1].size(), 0U);
  EXPECT_EQ(net->counters().receive_drops, 4U);
}

TEST_F(VirtioNetControl, RefusesEverythingElse) {
  make(4);
  start(kNetMergeBuffers | kNetControlQueue | kNetMultiQueue);
  EXPECT_EQ(command(4, 0, 0), 1);
  EXPECT_EQ(command(4, 0, 5), 1);
  EXPECT_EQ(command(4, 1, 1), 1);
  EXPECT_EQ(command(0, 0, 1), 1);
  EXPECT_EQ(command(4, 0, 2, 8, 3), 1);
  EXPECT_EQ(net->state(), VirtioNetState{});
}

TEST_F(VirtioNetControl, IsQueueTwoForADriverOfOnePair) {
  make(4);
  start(kNetControlQueue);
  EXPECT_EQ(command(4, 0, 2, 2), 1);
  EXPECT_EQ(net->state(), VirtioNetState{});
}

TEST_F(VirtioNetControl, StateGoesOutAndInAgain) {
  make(4);
  start(kNetControlQueue | kNetMultiQueue);
  ASSERT_EQ(command(4, 0, 3), 0);
  const VirtioNetState state = net->state();
  net->stop();
  EXPECT_EQ(net->state(), state) << "the same driver may go on";
  net->reset();
  EXPECT_EQ(net->state(), VirtioNetState{});
  for (const auto& [wrong, right] : {std::pair<uint16_t, uint16_t>{0, 1}, {5, 4}, {65535, 4}}) {
    net->restore({.active_pairs = wrong});
    EXPECT_EQ(net->state().active_pairs, right);
  }
  net->restore(state);
  start(kNetControlQueue | kNetMultiQueue);
  EXPECT_EQ(net->state(), state);
  EXPECT_EQ(backend->active_pairs, 3);
}

TEST_F(VirtioNetTest, AThreadOfItsOwnServesWhileHartsStartAndStopIt) {
  make();
  net->launch();
  for (int round = 0; round < 50; ++round) {
    queues.clear();
    for (size_t i = 0; i < 2; ++i) {
      queues.emplace_back(memory, kRam + i * 0x2000, uint16_t{64});
      memory.store(queues[i].layout().driver_area, uint32_t{0});
      memory.store(queues[i].layout().device_area, uint32_t{0});
    }
    VirtioSession session{.queues = {}, .features = kVirtioVersion1, .driver = &side};
    std::string_view why;
    for (const FakeDriverQueue& queue : queues)
      session.queues.push_back(Virtqueue::create(memory, queue.layout(), {}, why));
    send(0, pattern(100));
    net->start(std::move(session));
    if (round % 2 == 0) {
      while (queues[1].used_index() == 0)
        ::usleep(100);
    }
    net->stop();
  }
  EXPECT_GE(net->counters().sent, 25U);
}

}  // namespace
}  // namespace rvvmm::virtio_net_test

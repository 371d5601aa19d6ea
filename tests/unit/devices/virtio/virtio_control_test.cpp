#include "devices/virtio/virtio_control.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "fakes/fake_virtio_device.hpp"
#include "fakes/fake_virtio_driver.hpp"

namespace rvvmm::virtio_control_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr uint8_t kReady = kVirtioAcknowledge | kVirtioDriver | kVirtioFeaturesOk | kVirtioDriverOk;

/// A queue that no driver has set up.
VirtioQueueSetup untouched(uint16_t size) {
  VirtioQueueSetup setup;
  setup.layout.size = size;
  return setup;
}

class FakeInterruptSink final : public VirtioInterruptSink {
 public:
  void interrupt_queue(uint16_t queue) noexcept override { queues.push_back(queue); }
  void interrupt_config() noexcept override { ++configs; }
  std::vector<uint16_t> queues;
  int configs = 0;
};

class VirtioControlTest : public ::testing::Test {
 protected:
  void choose(uint64_t features) {
    control->set_driver_features(0, static_cast<uint32_t>(features));
    control->set_driver_features(1, static_cast<uint32_t>(features >> 32));
  }
  /// The steps of 3.1.1 up to where queues are set up.
  void agree(uint64_t features = kVirtioVersion1) {
    control->set_status(0);
    control->set_status(kVirtioAcknowledge);
    control->set_status(kVirtioAcknowledge | kVirtioDriver);
    choose(features);
    control->set_status(kReady & ~kVirtioDriverOk);
  }
  void enable_queue(uint32_t index) {
    VirtioQueueSetup* const setup = control->queue_to_set_up(index);
    ASSERT_NE(setup, nullptr);
    setup->layout = rings[index].layout();
    setup->enabled = true;
  }
  void start(uint64_t features = kVirtioVersion1) {
    agree(features);
    enable_queue(0);
    enable_queue(1);
    control->set_status(kReady);
  }
  static std::string stderr_of(const auto& run) {
    testing::internal::CaptureStderr();
    run();
    return testing::internal::GetCapturedStderr();
  }

  const GuestMemory memory{kRam, 64_KiB};
  std::array<FakeDriverQueue, 2> rings{FakeDriverQueue{memory, kRam, 8}, FakeDriverQueue{memory, kRam + 0x1000, 4}};
  FakeVirtioDevice device;
  FakeInterruptSink sink;
  std::optional<VirtioControl> control{std::in_place, device, memory, sink};
};

TEST_F(VirtioControlTest, OffersWhatTheDeviceHasAndTheQueuesCanDo) {
  EXPECT_EQ(control->device_features(), FakeVirtioDevice::kOffered);
  EXPECT_EQ(control->queue_count(), 2);
}

TEST_F(VirtioControlTest, StartsAsAfterAReset) {
  EXPECT_EQ(control->status(), 0);
  EXPECT_EQ(control->driver_features(), 0U);
  EXPECT_FALSE(control->started());
  for (const uint32_t index : {0U, 1U}) {
    EXPECT_EQ(*control->queue(index), untouched(device.sizes[index]));
  }
  EXPECT_EQ(control->queue(2), nullptr);
  EXPECT_EQ(control->queue(UINT32_MAX), nullptr);
  EXPECT_EQ(control->queue_to_set_up(2), nullptr);
}

TEST_F(VirtioControlTest, ADriverThatFollowsTheStepsStartsTheDevice) {
  start(FakeVirtioDevice::kOffered);
  EXPECT_EQ(control->status(), kReady);
  EXPECT_TRUE(control->started());
  ASSERT_TRUE(device.session);
  EXPECT_EQ(device.session->features, FakeVirtioDevice::kOffered);
  ASSERT_EQ(device.session->queues.size(), 2U);
  EXPECT_EQ(device.session->queues[0]->size(), 8);
  EXPECT_EQ(device.session->queues[1]->size(), 4);
  control->set_status(kReady);
  EXPECT_EQ(device.starts, 1) << "it is ready already";
}

// What of the queues was negotiated is what they go by.
TEST_F(VirtioControlTest, QueuesGoByTheFeaturesAgreedOn) {
  for (const bool negotiated : {false, true}) {
    rings[0].set_available_index(0);
    start(kVirtioVersion1 | (negotiated ? kVirtioIndirectDescriptors | kVirtioEventIdx : 0));
    const Gpa table = kRam + 0x2000;
    memory.store(table, FakeDescriptor{.address = table.value, .length = 16});
    rings[0].set_descriptor(0, {.address = table.value, .length = 16, .flags = kDescIndirect});
    rings[0].offer(0);
    Virtqueue& queue = *device.session->queues[0];
    DescriptorChain chain;
    EXPECT_EQ(queue.pop(chain), negotiated) << queue.broken();
    queue.ask_for_kick();
    EXPECT_EQ(rings[0].available_event(), negotiated ? 1 : 0);
  }
}

// Linux halves a queue when memory is scarce, and goes by what the device says of its requests' length all the same.
TEST_F(VirtioControlTest, ChainsMayBeAsLongAsTheQueueThatWasOffered) {
  FakeDriverQueue smaller{memory, kRam, 4};
  agree(kVirtioVersion1 | kVirtioIndirectDescriptors);
  *control->queue_to_set_up(0) = {.layout = smaller.layout(), .enabled = true};
  control->set_status(kReady);
  const Gpa table = kRam + 0x2000;
  for (uint16_t entry = 0; entry < 8; ++entry) {
    const bool last = entry == 7;
    memory.store(table + entry * sizeof(FakeDescriptor),
                 FakeDescriptor{.address = table.value,
                                .length = 16,
                                .flags = last ? uint16_t{0} : uint16_t{kDescNext},
                                .next = static_cast<uint16_t>(entry + 1)});
  }
  smaller.set_descriptor(0, {.address = table.value, .length = 8 * 16, .flags = kDescIndirect});
  smaller.offer(0);
  ASSERT_TRUE(device.session);
  Virtqueue& queue = *device.session->queues[0];
  ASSERT_EQ(queue.size(), 4);
  DescriptorChain chain;
  ASSERT_TRUE(queue.pop(chain)) << queue.broken();
  EXPECT_EQ(chain.readable().size(), 8U);
}

TEST_F(VirtioControlTest, AQueueThatIsNotEnabledIsNotThere) {
  agree();
  enable_queue(1);
  control->set_status(kReady);
  ASSERT_TRUE(device.session);
  EXPECT_FALSE(device.session->queues[0]);
  EXPECT_TRUE(device.session->queues[1]);
}

TEST_F(VirtioControlTest, StatusBitsAddUpUntilAReset) {
  control->set_status(kVirtioAcknowledge);
  control->set_status(kVirtioDriver);
  EXPECT_EQ(control->status(), kVirtioAcknowledge | kVirtioDriver);
  control->set_status(kVirtioFailed);
  EXPECT_EQ(control->status(), kVirtioAcknowledge | kVirtioDriver | kVirtioFailed);
  control->set_status(0);
  EXPECT_EQ(control->status(), 0);
}

TEST_F(VirtioControlTest, NeedsResetIsNotTheDriversToSet) {
  control->set_status(kVirtioAcknowledge | kVirtioNeedsReset);
  EXPECT_EQ(control->status(), kVirtioAcknowledge);
}

TEST_F(VirtioControlTest, StatusBitsThatNobodyKnowsAreNotKept) {
  control->set_status(kVirtioAcknowledge | kVirtioDriver | 0x30);
  EXPECT_EQ(control->status(), kVirtioAcknowledge | kVirtioDriver);
  const VirtioControlState state = control->state();
  control->restore(state);
  EXPECT_EQ(control->state(), state);
}

TEST_F(VirtioControlTest, FeaturesThatNobodyOfferedAreRefused) {
  for (const uint64_t wrong : std::array<uint64_t, 5>{0, FakeVirtioDevice::kFeatures, kVirtioVersion1 | 1ULL << 6,
                                                      kVirtioVersion1 | 1ULL << 63, UINT64_MAX}) {
    agree(wrong);
    EXPECT_EQ(control->status(), kVirtioAcknowledge | kVirtioDriver) << std::hex << wrong;
    // Another choice is heard.
    choose(kVirtioVersion1 | 1ULL << 5);
    control->set_status(kReady & ~kVirtioDriverOk);
    EXPECT_NE(control->status() & kVirtioFeaturesOk, 0);
  }
}

TEST_F(VirtioControlTest, FeaturesStayOnceTheyAreAgreedOn) {
  agree();
  choose(FakeVirtioDevice::kOffered);
  EXPECT_EQ(control->driver_features(), kVirtioVersion1);
  enable_queue(0);
  control->set_status(kReady);
  choose(FakeVirtioDevice::kOffered);
  EXPECT_EQ(device.session->features, kVirtioVersion1);
}

TEST_F(VirtioControlTest, FeatureWordsThatDoNotExistAreIgnored) {
  control->set_driver_features(1, 0x1234);
  control->set_driver_features(0, 0x5678);
  for (const uint32_t word : {2U, 3U, 32U, UINT32_MAX})
    control->set_driver_features(word, UINT32_MAX);
  EXPECT_EQ(control->driver_features(), 0x1234'0000'5678U);
}

TEST_F(VirtioControlTest, ReadyBeforeFeaturesAreAgreedOnNeedsAReset) {
  control->set_status(kVirtioAcknowledge | kVirtioDriver);
  const std::string said = stderr_of([&] { control->set_status(kReady); });  // asks for FEATURES_OK without VERSION_1
  EXPECT_NE(said.find("fake0: the guest's driver has broken it: the driver is ready before its features are agreed on"),
            std::string::npos)
      << said;
  EXPECT_EQ(control->status(), kVirtioAcknowledge | kVirtioDriver | kVirtioDriverOk | kVirtioNeedsReset);
  EXPECT_EQ(sink.configs, 1) << "2.1.2: told by an interrupt";
  EXPECT_FALSE(control->started());
  EXPECT_EQ(device.starts, 0);
}

TEST_F(VirtioControlTest, AQueueThatCannotBeNeedsAReset) {
  agree();
  enable_queue(0);
  control->queue_to_set_up(1)->layout.driver_area = Gpa{0x1000};
  control->queue_to_set_up(1)->enabled = true;
  const std::string said = stderr_of([&] { control->set_status(kReady); });
  EXPECT_NE(said.find("fake0: the guest's driver has broken it: a ring is not in RAM"), std::string::npos) << said;
  EXPECT_EQ(control->status(), kReady | kVirtioNeedsReset);
  EXPECT_EQ(device.starts, 0);
  // It lives again after that reset.
  start();
  EXPECT_EQ(control->status(), kReady);
  EXPECT_EQ(device.starts, 1);
}

TEST_F(VirtioControlTest, AQueueLargerThanTheDeviceHasNeedsAReset) {
  agree();
  enable_queue(0);
  enable_queue(1);
  control->disable_queue(1);
  control->queue_to_set_up(1)->layout = rings[1].layout();
  control->queue_to_set_up(1)->layout.size = 8;
  control->queue_to_set_up(1)->enabled = true;
  stderr_of([&] { control->set_status(kReady); });
  EXPECT_EQ(control->status(), kReady | kVirtioNeedsReset);
  EXPECT_EQ(device.starts, 0);
}

TEST_F(VirtioControlTest, ADeviceThatIsBrokenSaysSoOnce) {
  start();
  const std::string said = stderr_of([&] {
    for (int i = 0; i < 3; ++i)
      device.session->driver->needs_reset("a chain loops");
  });
  const std::string line = "fake0: the guest's driver has broken it: a chain loops; it waits for a reset";
  ASSERT_NE(said.find(line), std::string::npos) << said;
  EXPECT_EQ(std::ranges::count(said, '\n'), 1) << said;
  EXPECT_EQ(control->status(), kReady | kVirtioNeedsReset);
  EXPECT_EQ(sink.configs, 1);
  control->set_status(0);
  EXPECT_EQ(control->status(), 0);
  start();
  EXPECT_NE(stderr_of([&] { device.session->driver->needs_reset("again"); }), "") << "once for each reset";
}

TEST_F(VirtioControlTest, ADeviceThatIsBrokenAgainAndAgainDoesNotFillTheLog) {
  const std::string said = stderr_of([&] {
    for (int i = 0; i < 1000; ++i) {
      control->set_status(0);
      control->set_status(kVirtioAcknowledge | kVirtioDriver | kVirtioDriverOk);
    }
  });
  EXPECT_LT(std::ranges::count(said, '\n'), 20) << said;
}

TEST_F(VirtioControlTest, AResetStopsTheDeviceAndForgetsTheDriver) {
  start(FakeVirtioDevice::kOffered);
  const int resets = device.resets;
  control->set_status(0);
  EXPECT_EQ(device.stops, 1);
  EXPECT_EQ(device.resets, resets + 1);
  EXPECT_FALSE(control->started());
  EXPECT_EQ(control->driver_features(), 0U);
  EXPECT_EQ(*control->queue(0), untouched(8));
  control->set_status(0);
  EXPECT_EQ(device.stops, 1) << "it is stopped already";
}

TEST_F(VirtioControlTest, ItsEndStopsTheDevice) {
  start();
  const int resets = device.resets;
  control.reset();
  EXPECT_EQ(device.stops, 1);
  EXPECT_EQ(device.resets, resets + 1) << "what the next machine's driver finds";
  control.emplace(device, memory, sink);
  control.reset();
  EXPECT_EQ(device.stops, 1) << "it was never started again";
}

TEST_F(VirtioControlTest, RingsStayWhereTheyAreOnceEnabled) {
  agree();
  enable_queue(0);
  EXPECT_EQ(control->queue_to_set_up(0), nullptr);
  control->disable_queue(0);
  EXPECT_EQ(*control->queue(0), untouched(8)) << "as before its first set-up";
  EXPECT_NE(control->queue_to_set_up(0), nullptr);
  control->disable_queue(2);
  control->disable_queue(UINT32_MAX);
}

TEST_F(VirtioControlTest, NoQueueChangesWhileTheDeviceWorks) {
  agree();
  enable_queue(0);
  control->set_status(kReady);
  const VirtioQueueSetup before = *control->queue(0);
  control->disable_queue(0);
  EXPECT_EQ(*control->queue(0), before);
  EXPECT_EQ(control->queue_to_set_up(1), nullptr) << "too late: the device has its queues";
}

TEST_F(VirtioControlTest, KicksReachTheQueueOfAStartedDevice) {
  control->kick(0);
  EXPECT_EQ(device.kicks(0), 0U) << "before DRIVER_OK";
  start();
  control->kick(1);
  control->kick(1);
  control->kick(2);
  control->kick(UINT32_MAX);
  EXPECT_EQ(device.kicks(0), 0U);
  EXPECT_EQ(device.kicks(1), 2U);
}

TEST_F(VirtioControlTest, KicksOfAQueueThatIsServedOnTheHartRingNoDoorbell) {
  device.served_on_hart_queue = 1;
  control->kick(1);
  EXPECT_EQ(device.served_on_hart_times, 0) << "before DRIVER_OK";
  start();
  control->kick(1);
  control->kick(0);
  EXPECT_EQ(device.served_on_hart_times, 1);
  EXPECT_EQ(device.kicks(1), 0U);
  EXPECT_EQ(device.kicks(0), 1U);
}

TEST_F(VirtioControlTest, InterruptsAndConfigurationChangesLeave) {
  start();
  const uint8_t generation = control->config_generation();
  device.session->driver->interrupt_queue(1);
  EXPECT_EQ(sink.queues, std::vector<uint16_t>{1});
  EXPECT_EQ(control->config_generation(), generation);
  device.session->driver->config_changed();
  EXPECT_EQ(sink.configs, 1);
  EXPECT_NE(control->config_generation(), generation);
}

TEST_F(VirtioControlTest, ADriverThatResetsTheDeviceWaitsForNoRequest) {
  start();
  control->set_status(0);
  EXPECT_TRUE(device.requests_given_up);
  EXPECT_EQ(device.stops, 1);
  device.requests_given_up = false;
  start();
  control.reset();
  EXPECT_TRUE(device.requests_given_up) << "the machine has ended";
  EXPECT_EQ(device.stops, 2);
}

// Snapshots.

TEST_F(VirtioControlTest, StateOfASetUpSurvivesARoundTrip) {
  agree(FakeVirtioDevice::kOffered);
  enable_queue(1);
  control->queue_to_set_up(0)->layout.descriptors = Gpa{0x1234};
  const VirtioControlState saved = control->state();
  FakeVirtioDevice other_device;
  VirtioControl other{other_device, memory, sink};
  other.restore(saved);
  EXPECT_EQ(other.state(), saved);
  EXPECT_EQ(other.status(), control->status());
  EXPECT_EQ(other.driver_features(), FakeVirtioDevice::kOffered);
  EXPECT_EQ(*other.queue(0), *control->queue(0));
  EXPECT_EQ(*other.queue(1), *control->queue(1));
  EXPECT_EQ(other_device.starts, 0);
}

TEST_F(VirtioControlTest, AStartedDeviceIsStoppedForItsStateAndGoesOn) {
  start();
  device.session->driver->config_changed();
  rings[0].set_descriptor(0, {.address = kRam.value + 0x2000, .length = 1});
  DescriptorChain chain;
  for (int i = 0; i < 3; ++i) {
    rings[0].offer(0);
    ASSERT_TRUE(device.session->queues[0]->pop(chain));
    device.session->queues[0]->push(chain, 0);
  }
  rings[0].offer(0);
  const int resets = device.resets;
  const VirtioControlState saved = control->state();
  EXPECT_EQ(device.stops, 1);
  EXPECT_EQ(device.starts, 2);
  EXPECT_EQ(device.resets, resets) << "its driver has not been asked";
  EXPECT_FALSE(device.requests_given_up) << "its driver waits for them";
  ASSERT_TRUE(control->started());
  EXPECT_TRUE(device.session->queues[0]->pop(chain)) << "the fourth request";
  EXPECT_FALSE(device.session->queues[0]->pop(chain));

  FakeVirtioDevice other_device;
  VirtioControl other{other_device, memory, sink};
  const int other_resets = other_device.resets;
  other.restore(saved);
  EXPECT_EQ(other_device.resets, other_resets) << "its body is restored before";
  EXPECT_EQ(other.state(), saved);
  EXPECT_EQ(other.config_generation(), 1);
  Virtqueue& queue = *other_device.session->queues[0];
  EXPECT_EQ(queue.state(), (VirtqueueState{.next_available = 3, .next_used = 3}));
  ASSERT_TRUE(queue.pop(chain));
  queue.push(chain, 0);
  EXPECT_EQ(rings[0].used_index(), 4);
}

TEST_F(VirtioControlTest, ADeviceThatNeedsAResetStillDoesWhenItIsRestored) {
  start();
  stderr_of([&] { device.session->driver->needs_reset("a chain loops"); });
  const VirtioControlState saved = control->state();
  FakeVirtioDevice other_device;
  VirtioControl other{other_device, memory, sink};
  other.restore(saved);
  EXPECT_EQ(other.state(), saved);
  EXPECT_EQ(other.status(), kReady | kVirtioNeedsReset);
}

TEST_F(VirtioControlTest, ARestoredStateThatNoDriverCanBringAboutIsCutToOneThatOneCan) {
  start();
  const VirtioControlState right = control->state();

  VirtioControlState wrong = right;
  wrong.status = 0xFF;
  wrong.driver_features = UINT64_MAX;
  stderr_of([&] { control->restore(wrong); });
  EXPECT_EQ(control->status() & (kVirtioFeaturesOk | 0x30), 0);
  EXPECT_FALSE(control->started());

  wrong = right;
  wrong.queues[1].setup.layout.device_area = Gpa{UINT64_MAX - 3};
  stderr_of([&] { control->restore(wrong); });
  EXPECT_EQ(control->status(), kReady | kVirtioNeedsReset);
  EXPECT_FALSE(control->started());

  wrong = right;
  wrong.status = kVirtioAcknowledge;
  control->restore(wrong);
  EXPECT_FALSE(control->started()) << "its driver was not ready";

  wrong = right;
  wrong.queues.resize(5, right.queues[0]);
  control->restore(wrong);
  EXPECT_EQ(control->state(), right);
  wrong.queues.resize(1);
  control->restore(wrong);
  EXPECT_TRUE(control->started());
  EXPECT_EQ(*control->queue(1), untouched(4));
}

TEST(VirtioConfigBytes, WhatIsBeyondTheEndReadsZero) {
  const std::array<std::byte, 3> config{std::byte{1}, std::byte{2}, std::byte{3}};
  for (uint64_t offset = 0; offset < 6; ++offset) {
    std::array<std::byte, 4> out{std::byte{9}, std::byte{9}, std::byte{9}, std::byte{9}};
    read_config_bytes(config, offset, out);
    for (uint64_t i = 0; i < out.size(); ++i)
      EXPECT_EQ(out[i], offset + i < 3 ? config[offset + i] : std::byte{0}) << offset << "+" << i;
  }
  std::array<std::byte, 2> out{std::byte{9}, std::byte{9}};
  read_config_bytes(config, UINT64_MAX, out);
  EXPECT_EQ(out, (std::array<std::byte, 2>{}));
}

}  // namespace
}  // namespace rvvmm::virtio_control_test

#include "devices/virtio/virtio_pci.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <thread>

#include "devices/rng/virtio_rng.hpp"
#include "fakes/fake_doorbells.hpp"
#include "fakes/fake_irq.hpp"
#include "fakes/fake_virtio_device.hpp"
#include "fakes/fake_virtio_driver.hpp"
#include "unit/devices/pci/pci_access.hpp"

namespace rvvmm::virtio_pci_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr Gpa kBuffer = kRam + 0x1000;
constexpr PciWindows kWindows{.low = {.base = Gpa{0x4000'0000}, .size = 1_GiB},
                              .high = {.base = Gpa{0x100'0000'0000}, .size = 64_GiB}};
constexpr uint64_t kBarPlace = 0x100'0000'0000;

// virtio 1.2, 4.1.4.3, as offsets in the BAR.
constexpr uint64_t kDeviceFeatureSelect = 0x00;
constexpr uint64_t kDeviceFeature = 0x04;
constexpr uint64_t kDriverFeatureSelect = 0x08;
constexpr uint64_t kDriverFeature = 0x0C;
constexpr uint64_t kConfigVector = 0x10;
constexpr uint64_t kNumQueues = 0x12;
constexpr uint64_t kStatus = 0x14;
constexpr uint64_t kGeneration = 0x15;
constexpr uint64_t kQueueSelect = 0x16;
constexpr uint64_t kQueueSize = 0x18;
constexpr uint64_t kQueueVector = 0x1A;
constexpr uint64_t kQueueEnable = 0x1C;
constexpr uint64_t kQueueNotifyOff = 0x1E;
constexpr uint64_t kQueueDesc = 0x20;
constexpr uint64_t kQueueDriver = 0x28;
constexpr uint64_t kQueueDevice = 0x30;
constexpr uint64_t kCommonEnd = 0x38;

constexpr uint16_t kNone = 0xFFFF;

struct Capability {
  uint8_t at = 0;  // in configuration space
  uint8_t bar = 0;
  uint32_t offset = 0;
  uint32_t length = 0;
};

/// What a guest can do to a virtio function.
class Guest {
 public:
  explicit Guest(VirtioPci& function) : function_(function) {}

  template <typename T>
  T config(uint64_t offset) {
    return load_config<T>(function_, offset);
  }
  template <typename T>
  void set_config(uint64_t offset, T value) {
    store_config<T>(function_, offset, value);
  }
  template <typename T>
  T bar(uint64_t offset) {
    return load_bar<T>(function_, VirtioPci::kBar, offset);
  }
  template <typename T>
  void set_bar(uint64_t offset, T value) {
    store_bar<T>(function_, VirtioPci::kBar, offset, value);
  }

  void place_bar(uint64_t place, bool decoded = true) {
    set_config<uint16_t>(0x04, 0);
    set_config<uint32_t>(0x10, static_cast<uint32_t>(place));
    set_config<uint32_t>(0x14, static_cast<uint32_t>(place >> 32));
    if (decoded) set_config<uint16_t>(0x04, 6);
  }
  std::optional<Capability> virtio_capability(uint8_t type) {
    for (auto at = config<uint8_t>(0x34); at != 0; at = config<uint8_t>(at + 1)) {
      if (config<uint8_t>(at) != 0x09 || config<uint8_t>(at + 3) != type) continue;
      return Capability{.at = at,
                        .bar = config<uint8_t>(at + 4),
                        .offset = config<uint32_t>(at + 8),
                        .length = config<uint32_t>(at + 12)};
    }
    return std::nullopt;
  }
  uint8_t msix_capability() {
    for (auto at = config<uint8_t>(0x34); at != 0; at = config<uint8_t>(at + 1)) {
      if (config<uint8_t>(at) == 0x11) return at;
    }
    return 0;
  }
  /// As Linux does it: everything masked, then each vector unmasked, then all.
  void enable_msix(uint16_t vectors) {
    const uint8_t at = msix_capability();
    set_config<uint16_t>(at + 2, 0xC000);
    for (uint16_t vector = 0; vector < vectors; ++vector) {
      const uint64_t entry = VirtioPci::kMsixTableOffset + uint64_t{vector} * 16;
      set_bar<uint32_t>(entry, 0x2800'0000);
      set_bar<uint32_t>(entry + 4, 0);
      set_bar<uint32_t>(entry + 8, 100U + vector);
      set_bar<uint32_t>(entry + 12, 0);
    }
    set_config<uint16_t>(at + 2, 0x8000);
  }
  bool agree_on_features() {
    set_bar<uint8_t>(kStatus, 0);
    set_bar<uint8_t>(kStatus, 1);
    set_bar<uint8_t>(kStatus, 3);
    for (uint32_t word = 0; word < 2; ++word) {
      set_bar<uint32_t>(kDeviceFeatureSelect, word);
      set_bar<uint32_t>(kDriverFeatureSelect, word);
      set_bar<uint32_t>(kDriverFeature, bar<uint32_t>(kDeviceFeature));
    }
    set_bar<uint8_t>(kStatus, 11);
    return (bar<uint8_t>(kStatus) & 8) != 0;
  }
  void set_address(uint64_t offset, Gpa address) {
    set_bar<uint32_t>(offset, static_cast<uint32_t>(address.value));
    set_bar<uint32_t>(offset + 4, static_cast<uint32_t>(address.value >> 32));
  }
  void enable_queue(uint16_t index, const VirtqueueLayout& layout, uint16_t vector) {
    set_bar<uint16_t>(kQueueSelect, index);
    set_bar<uint16_t>(kQueueSize, layout.size);
    set_address(kQueueDesc, layout.descriptors);
    set_address(kQueueDriver, layout.driver_area);
    set_address(kQueueDevice, layout.device_area);
    set_bar<uint16_t>(kQueueVector, vector);
    set_bar<uint16_t>(kQueueEnable, 1);
  }

 private:
  VirtioPci& function_;
};

class VirtioPciTest : public ::testing::Test {
 protected:
  void start(uint16_t config_vector = kNone, uint16_t queue_vector = kNone) {
    ASSERT_TRUE(guest.agree_on_features());
    guest.set_bar<uint16_t>(kConfigVector, config_vector);
    guest.enable_queue(0, queue.layout(), queue_vector);
    guest.set_bar<uint8_t>(kStatus, 15);
    ASSERT_EQ(guest.bar<uint8_t>(kStatus), 15);
    queue.set_used_event(0);  // with VIRTIO_F_EVENT_IDX: an interrupt for the first request
    doorbell_rang();          // a device looks at its queues when it starts
  }
  void request() {
    queue.set_chain(0, {{.address = kBuffer.value, .length = 16, .flags = kDescWrite}});
    queue.offer(0);
  }
  bool doorbell_rang() const {
    uint64_t count = 0;
    return ::read(rng.doorbells()[0], &count, sizeof count) == sizeof count;
  }

  const GuestMemory memory{kRam, 64_KiB};
  FakeDriverQueue queue{memory, kRam, 8};
  FakeIrqLine line;
  FakeMsiSink sink;
  FakeDoorbellHost host;
  VirtioRng rng;
  VirtioPci function{
      {.device = rng, .memory = memory, .pci = {.windows = kWindows, .intx = line, .msi = &sink}, .doorbells = host}};
  Guest guest{function};
};

TEST_F(VirtioPciTest, IsAModernEntropyDevice) {
  EXPECT_EQ(guest.config<uint32_t>(0x00), 0x1044'1AF4U);
  EXPECT_EQ(guest.config<uint8_t>(0x08), 1U);
  EXPECT_EQ(guest.config<uint32_t>(0x08) >> 8, 0x00'FF'00U);
  EXPECT_EQ(guest.config<uint16_t>(0x2C), 0x1AF4U);
  EXPECT_GE(guest.config<uint16_t>(0x2E), 0x40U);
}

TEST_F(VirtioPciTest, ItsBarIsOneOfSixtyFourBits) {
  guest.set_config<uint32_t>(0x10, UINT32_MAX);
  guest.set_config<uint32_t>(0x14, UINT32_MAX);
  EXPECT_EQ(guest.config<uint32_t>(0x10), 0xFFFF'8004U);
  EXPECT_EQ(guest.config<uint32_t>(0x14), UINT32_MAX);
  for (uint64_t at = 0x18; at < 0x28; at += 4) {
    guest.set_config<uint32_t>(at, UINT32_MAX);
    EXPECT_EQ(guest.config<uint32_t>(at), 0U);
  }
}

TEST_F(VirtioPciTest, CapabilitiesSayWhereAllIs) {
  for (const auto& [type, offset, length] :
       std::vector<std::array<uint32_t, 3>>{{1, VirtioPci::kCommonOffset, kCommonEnd},
                                            {2, VirtioPci::kNotifyOffset, 4},
                                            {3, VirtioPci::kIsrOffset, 1},
                                            {4, VirtioPci::kConfigOffset, 0x1000}}) {
    const auto capability = guest.virtio_capability(static_cast<uint8_t>(type));
    ASSERT_TRUE(capability) << type;
    EXPECT_EQ(capability->bar, VirtioPci::kBar) << type;
    EXPECT_EQ(capability->offset, offset) << type;
    EXPECT_EQ(capability->length, length) << type;
    EXPECT_EQ(guest.config<uint8_t>(capability->at + 2), type == 2 ? 20 : 16) << type;
  }
  EXPECT_EQ(guest.config<uint32_t>(guest.virtio_capability(2)->at + 16), VirtioPci::kNotifyStride);
  EXPECT_TRUE(guest.virtio_capability(5));
  const uint8_t msix = guest.msix_capability();
  EXPECT_EQ(guest.config<uint16_t>(msix + 2), 1U);  // two vectors
  EXPECT_EQ(guest.config<uint32_t>(msix + 4), VirtioPci::kMsixTableOffset);
  EXPECT_EQ(guest.config<uint32_t>(msix + 8), VirtioPci::kMsixPendingOffset);
}

TEST_F(VirtioPciTest, ServesADriverByMessagesAndDoorbells) {
  guest.place_bar(kBarPlace);
  guest.enable_msix(2);
  start(0, 1);
  EXPECT_EQ(guest.bar<uint16_t>(kConfigVector), 0U);
  EXPECT_EQ(guest.bar<uint16_t>(kQueueVector), 1U);
  request();
  const uint64_t notify =
      VirtioPci::kNotifyOffset + uint64_t{guest.bar<uint16_t>(kQueueNotifyOff)} * VirtioPci::kNotifyStride;
  ASSERT_TRUE(host.ring(Gpa{kBarPlace + notify}, 2));
  rng.on_doorbell(0);
  EXPECT_EQ(queue.take_used(), (FakeUsed{.id = 0, .length = 16}));
  EXPECT_EQ(sink.messages, (std::vector{MsiMessage{.address = 0x2800'0000, .data = 101}}));
  EXPECT_EQ(line.calls, 0);
  EXPECT_EQ(guest.bar<uint8_t>(VirtioPci::kIsrOffset), 0U);
}

TEST_F(VirtioPciTest, ServesADriverByItsPin) {
  guest.place_bar(kBarPlace);
  start();
  request();
  guest.set_bar<uint16_t>(VirtioPci::kNotifyOffset, 0);
  ASSERT_TRUE(doorbell_rang());
  rng.on_doorbell(0);
  EXPECT_TRUE(line.level);
  EXPECT_EQ(guest.config<uint16_t>(0x06) & 8, 8);
  EXPECT_EQ(guest.bar<uint8_t>(VirtioPci::kIsrOffset), 1U);
  EXPECT_FALSE(line.level);
  EXPECT_EQ(guest.bar<uint8_t>(VirtioPci::kIsrOffset), 0U);
  EXPECT_TRUE(sink.messages.empty());
}

TEST_F(VirtioPciTest, NotificationsOfAnyWidthAreKicks) {
  start();
  guest.set_bar<uint8_t>(VirtioPci::kNotifyOffset, 0);
  EXPECT_TRUE(doorbell_rang());
  guest.set_bar<uint32_t>(VirtioPci::kNotifyOffset, 77);
  EXPECT_TRUE(doorbell_rang());
  guest.set_bar<uint64_t>(VirtioPci::kNotifyOffset, 0);
  EXPECT_TRUE(doorbell_rang());
  guest.set_bar<uint16_t>(VirtioPci::kNotifyOffset + VirtioPci::kNotifyStride, 0);
  guest.set_bar<uint16_t>(VirtioPci::kMsixTableOffset - 4, 0);
  EXPECT_FALSE(doorbell_rang());
}

TEST_F(VirtioPciTest, NotificationsBeforeTheDriverIsReadyAreNothing) {
  guest.set_bar<uint16_t>(VirtioPci::kNotifyOffset, 0);
  EXPECT_FALSE(doorbell_rang());
}

TEST_F(VirtioPciTest, DoorbellsMoveWithTheBar) {
  EXPECT_TRUE(host.doorbells.empty());
  guest.place_bar(kBarPlace, false);
  EXPECT_TRUE(host.doorbells.empty());
  guest.place_bar(kBarPlace);
  ASSERT_EQ(host.doorbells.size(), 1U);
  EXPECT_EQ(host.doorbells[0].at, Gpa{kBarPlace + VirtioPci::kNotifyOffset});
  EXPECT_EQ(host.doorbells[0].width, 2U);
  EXPECT_FALSE(host.doorbells[0].match);
  EXPECT_EQ(host.doorbells[0].eventfd, rng.doorbells()[0]);
  guest.place_bar(0x4000'8000);
  ASSERT_EQ(host.doorbells.size(), 1U);
  EXPECT_EQ(host.doorbells[0].at, Gpa{0x4000'8000 + VirtioPci::kNotifyOffset});
  guest.place_bar(0x8000'0000);
  EXPECT_TRUE(host.doorbells.empty());
  EXPECT_EQ(host.wrong_removals, 0);
}

TEST_F(VirtioPciTest, AQueueThatHartsServeHasNoDoorbell) {
  FakeVirtioDevice body;
  body.served_on_hart_queue = 0;
  VirtioPci other{
      {.device = body, .memory = memory, .pci = {.windows = kWindows, .intx = line, .msi = &sink}, .doorbells = host}};
  Guest other_guest{other};
  other_guest.place_bar(kBarPlace);
  ASSERT_EQ(host.doorbells.size(), 1U);
  EXPECT_EQ(host.doorbells[0].at, Gpa{kBarPlace + VirtioPci::kNotifyOffset + VirtioPci::kNotifyStride});
  EXPECT_EQ(host.doorbells[0].eventfd, body.doorbells()[1]);
  ASSERT_TRUE(other_guest.agree_on_features());
  other_guest.set_bar<uint8_t>(kStatus, 15);
  other_guest.set_bar<uint16_t>(VirtioPci::kNotifyOffset, 0);
  EXPECT_EQ(body.served_on_hart_times, 1);
  other_guest.set_bar<uint16_t>(VirtioPci::kNotifyOffset + VirtioPci::kNotifyStride, 1);
  EXPECT_EQ(body.kicks(1), 1U);
}

TEST_F(VirtioPciTest, DoorbellsGoWithTheFunction) {
  {
    VirtioRng body;
    VirtioPci other{{.device = body,
                     .memory = memory,
                     .pci = {.windows = kWindows, .intx = line, .msi = &sink},
                     .doorbells = host}};
    Guest{other}.place_bar(kBarPlace);
    EXPECT_EQ(host.doorbells.size(), 1U);
  }
  EXPECT_TRUE(host.doorbells.empty());
}

TEST_F(VirtioPciTest, ADoorbellThatIsRefusedIsNotTakenAway) {
  host.refuses = true;
  guest.place_bar(kBarPlace);
  guest.place_bar(kBarPlace + 0x8000);
  EXPECT_EQ(host.wrong_removals, 0);
}

/// A device that has the kernel serve its first queue, behind a function of its own.
class VirtioPciCalls : public ::testing::Test {
 protected:
  static constexpr int kCall = 1001;  // a number that nobody uses
  static MsiMessage message(uint32_t vector) { return {.address = 0x2800'0000, .data = 100U + vector}; }
  static uint64_t entry(uint64_t vector) { return VirtioPci::kMsixTableOffset + vector * 16; }
  void choose_vector(uint16_t vector, uint16_t queue = 0) {
    guest.set_bar<uint16_t>(kQueueSelect, queue);
    guest.set_bar<uint16_t>(kQueueVector, vector);
  }
  std::optional<MsiMessage> connected() const {
    const auto found = sink.connected.find(kCall);
    return found == sink.connected.end() ? std::nullopt : std::optional{found->second};
  }
  static std::unique_ptr<FakeVirtioDevice> make_body() {
    auto body = std::make_unique<FakeVirtioDevice>();
    body->call_numbers = {kCall, -1};
    return body;
  }
  VirtioPci::Parts parts() {
    return {
        .device = *body, .memory = memory, .pci = {.windows = kWindows, .intx = line, .msi = &sink}, .doorbells = host};
  }

  const GuestMemory memory{kRam, 64_KiB};
  FakeIrqLine line;
  FakeMsiSink sink;
  FakeDoorbellHost host;
  std::unique_ptr<FakeVirtioDevice> body = make_body();
  std::optional<VirtioPci> function{std::in_place, parts()};
  Guest guest{*function};
};

TEST_F(VirtioPciCalls, SendWhatTheirQueuesVectorSends) {
  guest.enable_msix(3);
  EXPECT_EQ(connected(), std::nullopt);
  choose_vector(1);
  EXPECT_EQ(connected(), message(1));
  choose_vector(2, 1);
  EXPECT_EQ(sink.connected.size(), 1U) << "the other queue has no call";
  choose_vector(2);
  EXPECT_EQ(connected(), message(2));
  choose_vector(kNone);
  EXPECT_EQ(connected(), std::nullopt);
  choose_vector(1);
  guest.set_bar<uint8_t>(kStatus, 0);
  EXPECT_EQ(connected(), std::nullopt);
  EXPECT_TRUE(sink.messages.empty());
  EXPECT_EQ(sink.wrong_disconnects, 0);
}

TEST_F(VirtioPciCalls, MaskedTheyAreTheDevicesAndPending) {
  guest.enable_msix(3);
  choose_vector(1);
  guest.set_bar<uint32_t>(entry(1) + 12, 1);
  EXPECT_EQ(connected(), std::nullopt);
  guest.set_bar<uint32_t>(entry(1) + 12, 0);
  EXPECT_EQ(connected(), message(1));
  const uint8_t msix = guest.msix_capability();
  guest.set_config<uint16_t>(msix + 2, 0xC000);  // the whole function
  EXPECT_EQ(connected(), std::nullopt);
  guest.set_config<uint16_t>(msix + 2, 0x8000);
  EXPECT_EQ(connected(), message(1));
  guest.set_config<uint16_t>(msix + 2, 0);  // off
  EXPECT_EQ(connected(), std::nullopt);
  EXPECT_EQ(sink.wrong_disconnects, 0);
}

TEST_F(VirtioPciCalls, WhatComesWhileMaskedIsSentOnceUnmasked) {
  guest.enable_msix(3);
  ASSERT_TRUE(guest.agree_on_features());
  guest.set_bar<uint16_t>(kQueueSelect, 0);
  guest.set_bar<uint16_t>(kQueueVector, 1);
  guest.set_bar<uint8_t>(kStatus, 15);
  ASSERT_TRUE(body->session);
  guest.set_bar<uint32_t>(entry(1) + 12, 1);
  body->session->driver->interrupt_queue(0);  // as the device does with a call that it reads
  EXPECT_EQ(guest.bar<uint32_t>(VirtioPci::kMsixPendingOffset), 2U);
  EXPECT_TRUE(sink.messages.empty());
  guest.set_bar<uint32_t>(entry(1) + 12, 0);
  EXPECT_EQ(sink.messages, (std::vector{message(1)}));
  EXPECT_EQ(connected(), message(1));
}

TEST_F(VirtioPciCalls, FollowWhatTheGuestWritesToTheTable) {
  guest.enable_msix(3);
  choose_vector(1);
  const int before = sink.connects;
  guest.set_bar<uint32_t>(entry(2) + 8, 7);
  EXPECT_EQ(sink.connects, before) << "another vector's message";
  guest.set_bar<uint32_t>(entry(1) + 8, 7);
  EXPECT_EQ(connected(), (MsiMessage{.address = 0x2800'0000, .data = 7}));
  guest.set_bar<uint32_t>(entry(1) + 4, 9);
  EXPECT_EQ(connected(), (MsiMessage{.address = 0x9'2800'0000, .data = 7}));
}

TEST_F(VirtioPciCalls, WhereTheHypervisorRefusesTheyStayTheDevices) {
  guest.enable_msix(3);
  sink.refuses = true;
  choose_vector(1);
  EXPECT_EQ(connected(), std::nullopt);
  sink.refuses = false;
  choose_vector(2);
  EXPECT_EQ(connected(), message(2));
  sink.refuses = true;
  choose_vector(1);
  EXPECT_EQ(connected(), std::nullopt) << "no longer the old message";
  EXPECT_EQ(sink.wrong_disconnects, 0);
}

TEST_F(VirtioPciCalls, GoWithTheFunctionAndComeWithItsState) {
  guest.enable_msix(3);
  choose_vector(1);
  const VirtioPciState state = function->state();
  function.reset();
  EXPECT_TRUE(sink.connected.empty());
  function.emplace(parts());
  EXPECT_TRUE(sink.connected.empty());
  function->restore(state);
  EXPECT_EQ(connected(), message(1));
}

TEST_F(VirtioPciTest, FeaturesComeInWords) {
  guest.set_bar<uint32_t>(kDeviceFeatureSelect, 0);
  EXPECT_EQ(guest.bar<uint32_t>(kDeviceFeature), kVirtioIndirectDescriptors | kVirtioEventIdx);
  guest.set_bar<uint32_t>(kDeviceFeatureSelect, 1);
  EXPECT_EQ(guest.bar<uint32_t>(kDeviceFeature), kVirtioVersion1 >> 32);
  for (const uint32_t word : {2U, 3U, 32U, UINT32_MAX}) {
    guest.set_bar<uint32_t>(kDeviceFeatureSelect, word);
    EXPECT_EQ(guest.bar<uint32_t>(kDeviceFeature), 0U);
    EXPECT_EQ(guest.bar<uint32_t>(kDeviceFeatureSelect), word);
  }
  guest.set_bar<uint32_t>(kDriverFeatureSelect, 0);
  guest.set_bar<uint32_t>(kDriverFeature, 0x1234);
  EXPECT_EQ(guest.bar<uint32_t>(kDriverFeature), 0x1234U);
  guest.set_bar<uint32_t>(kDriverFeatureSelect, 5);
  EXPECT_EQ(guest.bar<uint32_t>(kDriverFeature), 0U);
}

TEST_F(VirtioPciTest, FeaturesThatAreNotOfferedAreRefused) {
  guest.set_bar<uint8_t>(kStatus, 3);
  guest.set_bar<uint32_t>(kDriverFeatureSelect, 1);
  guest.set_bar<uint32_t>(kDriverFeature, 0xFFFF'FFFF);
  guest.set_bar<uint8_t>(kStatus, 11);
  EXPECT_EQ(guest.bar<uint8_t>(kStatus), 3U);
}

TEST_F(VirtioPciTest, ReadyBeforeFeaturesNeedsAReset) {
  guest.place_bar(kBarPlace);
  guest.set_bar<uint8_t>(kStatus, 7);
  EXPECT_EQ(guest.bar<uint8_t>(kStatus), 7 | 64);
  EXPECT_TRUE(line.level);
  EXPECT_EQ(guest.bar<uint8_t>(VirtioPci::kIsrOffset), 2U);
  guest.set_bar<uint8_t>(kStatus, 0);
  EXPECT_EQ(guest.bar<uint8_t>(kStatus), 0U);
}

TEST_F(VirtioPciTest, TheConfigurationsInterruptHasItsOwnVectorAndSetsItsCause) {
  guest.enable_msix(2);
  guest.set_bar<uint16_t>(kConfigVector, 1);
  guest.set_bar<uint8_t>(kStatus, 7);
  EXPECT_EQ(sink.messages, (std::vector{MsiMessage{.address = 0x2800'0000, .data = 101}}));
  EXPECT_EQ(line.calls, 0);
  EXPECT_EQ(guest.bar<uint8_t>(VirtioPci::kIsrOffset), 2U);
}

TEST_F(VirtioPciTest, QueuesThatThereAreNotHaveNoSize) {
  EXPECT_EQ(guest.bar<uint16_t>(kNumQueues), 1U);
  EXPECT_EQ(guest.bar<uint16_t>(kQueueSize), 8U);
  for (const uint16_t index : std::to_array<uint16_t>({1, 511, 65535})) {
    guest.set_bar<uint16_t>(kQueueSelect, index);
    EXPECT_EQ(guest.bar<uint16_t>(kQueueSelect), index);
    guest.set_bar<uint16_t>(kQueueSize, 8);
    guest.set_bar<uint16_t>(kQueueEnable, 1);
    guest.set_bar<uint16_t>(kQueueVector, 0);
    guest.set_address(kQueueDesc, kRam);
    EXPECT_EQ(guest.bar<uint16_t>(kQueueSize), 0U);
    EXPECT_EQ(guest.bar<uint16_t>(kQueueEnable), 0U);
    EXPECT_EQ(guest.bar<uint16_t>(kQueueVector), kNone);
    EXPECT_EQ(guest.bar<uint64_t>(kQueueDesc), 0U);
  }
}

TEST_F(VirtioPciTest, QueueRegistersKeepWhatIsWrittenUntilTheQueueIsEnabled) {
  guest.set_bar<uint16_t>(kQueueSize, 4);
  EXPECT_EQ(guest.bar<uint16_t>(kQueueSize), 4U);
  guest.set_bar<uint64_t>(kQueueDesc, 0x1122'3344'5566'7788);
  guest.set_bar<uint32_t>(kQueueDriver + 4, 0x99);
  guest.set_bar<uint32_t>(kQueueDevice, 0xAABB'CCDD);
  EXPECT_EQ(guest.bar<uint32_t>(kQueueDesc), 0x5566'7788U);
  EXPECT_EQ(guest.bar<uint32_t>(kQueueDesc + 4), 0x1122'3344U);
  EXPECT_EQ(guest.bar<uint64_t>(kQueueDriver), 0x99'0000'0000U);
  EXPECT_EQ(guest.bar<uint64_t>(kQueueDevice), 0xAABB'CCDDU);
  guest.set_bar<uint16_t>(kQueueEnable, 2);
  EXPECT_EQ(guest.bar<uint16_t>(kQueueEnable), 0U);
  guest.set_bar<uint16_t>(kQueueEnable, 1);
  guest.set_bar<uint16_t>(kQueueSize, 8);
  guest.set_bar<uint64_t>(kQueueDesc, 0);
  guest.set_bar<uint16_t>(kQueueEnable, 0);
  EXPECT_EQ(guest.bar<uint16_t>(kQueueEnable), 1U);
  EXPECT_EQ(guest.bar<uint16_t>(kQueueSize), 4U);
  EXPECT_EQ(guest.bar<uint32_t>(kQueueDesc), 0x5566'7788U);
}

TEST_F(VirtioPciTest, VectorsThatThereAreNotReadBackAsNone) {
  for (const uint16_t vector : std::to_array<uint16_t>({2, 3, 2047, 65535})) {
    guest.set_bar<uint16_t>(kConfigVector, 0);
    guest.set_bar<uint16_t>(kConfigVector, vector);
    EXPECT_EQ(guest.bar<uint16_t>(kConfigVector), kNone);
    guest.set_bar<uint16_t>(kQueueVector, 0);
    guest.set_bar<uint16_t>(kQueueVector, vector);
    EXPECT_EQ(guest.bar<uint16_t>(kQueueVector), kNone);
  }
}

TEST_F(VirtioPciTest, WithoutVectorThereIsNoInterrupt) {
  guest.enable_msix(2);
  start();
  request();
  rng.on_doorbell(0);
  EXPECT_TRUE(queue.take_used());
  EXPECT_TRUE(sink.messages.empty());
  EXPECT_EQ(line.calls, 0);
}

TEST_F(VirtioPciTest, WithoutTakerOfMessagesThereAreNoVectors) {
  VirtioRng body;
  VirtioPci other{{.device = body,
                   .memory = memory,
                   .pci = {.windows = kWindows, .intx = line, .msi = nullptr},
                   .doorbells = host}};
  Guest other_guest{other};
  EXPECT_EQ(other_guest.msix_capability(), 0U);
  other_guest.set_bar<uint16_t>(kConfigVector, 0);
  EXPECT_EQ(other_guest.bar<uint16_t>(kConfigVector), kNone);
}

TEST_F(VirtioPciTest, HasNoMoreVectorsThanItWasGiven) {
  FakeVirtioDevice body;  // would have three
  for (const uint16_t given : std::initializer_list<uint16_t>{0, 2, 3, 4}) {
    VirtioPci other{{.device = body,
                     .memory = memory,
                     .pci = {.windows = kWindows, .intx = line, .msi = &sink},
                     .doorbells = host,
                     .vectors = given}};
    Guest other_guest{other};
    const uint8_t msix = other_guest.msix_capability();
    ASSERT_EQ(msix != 0, given != 0);
    if (given == 0) continue;
    const unsigned expected = std::min<unsigned>(given, 3);
    EXPECT_EQ(other_guest.config<uint16_t>(msix + 2) & 0x7FFU, expected - 1);
    other_guest.enable_msix(static_cast<uint16_t>(expected));
    for (uint16_t number = 0; number < 2; ++number) {  // both share the last one
      other_guest.set_bar<uint16_t>(kQueueSelect, number);
      other_guest.set_bar<uint16_t>(kQueueVector, static_cast<uint16_t>(expected));
      EXPECT_EQ(other_guest.bar<uint16_t>(kQueueVector), kNone) << "one past the table";
      other_guest.set_bar<uint16_t>(kQueueVector, static_cast<uint16_t>(expected - 1));
      EXPECT_EQ(other_guest.bar<uint16_t>(kQueueVector), expected - 1);
    }
  }
}

TEST_F(VirtioPciTest, AResetForgetsAllOfTheDeviceAndNothingOfTheFunction) {
  guest.place_bar(kBarPlace);
  guest.enable_msix(2);
  start(0, 1);
  guest.set_bar<uint8_t>(kStatus, 0);
  EXPECT_EQ(guest.bar<uint8_t>(kStatus), 0U);
  EXPECT_EQ(guest.bar<uint16_t>(kConfigVector), kNone);
  EXPECT_EQ(guest.bar<uint16_t>(kQueueVector), kNone);
  EXPECT_EQ(guest.bar<uint16_t>(kQueueEnable), 0U);
  EXPECT_EQ(guest.bar<uint16_t>(kQueueSize), 8U);
  EXPECT_EQ(guest.bar<uint64_t>(kQueueDesc), 0U);
  EXPECT_EQ(guest.config<uint16_t>(guest.msix_capability() + 2), 0x8001U);
  EXPECT_EQ(host.doorbells.size(), 1U);
  request();
  rng.on_doorbell(0);
  EXPECT_FALSE(queue.take_used());
}

TEST_F(VirtioPciTest, AResetLowersThePin) {
  start();
  request();
  rng.on_doorbell(0);
  EXPECT_TRUE(line.level);
  guest.set_bar<uint8_t>(kStatus, 0);
  EXPECT_FALSE(line.level);
  EXPECT_EQ(guest.bar<uint8_t>(VirtioPci::kIsrOffset), 0U);
}

TEST_F(VirtioPciTest, WithBusMasteringTakenAwayNothingIsServed) {
  guest.place_bar(kBarPlace);
  start();
  guest.set_config<uint16_t>(0x04, 2);
  EXPECT_EQ(guest.bar<uint8_t>(kStatus), 0U);
  request();
  rng.on_doorbell(0);
  EXPECT_FALSE(queue.take_used());
}

TEST_F(VirtioPciTest, ADriverThatNeverAskedForBusMasteringIsServed) {
  guest.set_config<uint16_t>(0x04, 2);
  start();
  guest.set_config<uint8_t>(0x3C, 5);
  EXPECT_EQ(guest.bar<uint8_t>(kStatus), 15U);
}

TEST_F(VirtioPciTest, CommonRegistersHaveTheirWidths) {
  std::array<std::byte, 8> raw{};
  const auto status = [&](uint64_t offset, size_t width) {
    const IoStatus read = function.read_bar(0, offset, std::span{raw}.first(width));
    EXPECT_EQ(function.write_bar(0, offset, std::span{raw}.first(width)), read) << offset << ' ' << width;
    return read;
  };
  for (const uint64_t offset : {kDeviceFeatureSelect, kDeviceFeature, kDriverFeatureSelect, kDriverFeature}) {
    for (const size_t width : {1UL, 2UL, 8UL})
      EXPECT_EQ(status(offset, width), IoStatus::kBadWidth) << offset;
    EXPECT_EQ(status(offset, 4), IoStatus::kOk) << offset;
    EXPECT_EQ(status(offset + 2, 2), IoStatus::kNoRegister) << offset;
  }
  for (const uint64_t offset : {kConfigVector, kNumQueues, kQueueSelect, kQueueSize, kQueueVector, kQueueEnable}) {
    for (const size_t width : {1UL, 4UL, 8UL})
      EXPECT_EQ(status(offset, width), IoStatus::kBadWidth) << offset;
    EXPECT_EQ(status(offset, 2), IoStatus::kOk) << offset;
  }
  for (const uint64_t offset : {kStatus, kGeneration}) {
    EXPECT_EQ(status(offset, 1), IoStatus::kOk) << offset;
    EXPECT_EQ(status(offset, 2), IoStatus::kBadWidth) << offset;
  }
  for (const uint64_t offset : {kQueueDesc, kQueueDriver, kQueueDevice}) {
    for (const size_t width : {1UL, 2UL})
      EXPECT_EQ(status(offset, width), IoStatus::kBadWidth) << offset;
    for (const size_t width : {4UL, 8UL})
      EXPECT_EQ(status(offset, width), IoStatus::kOk) << offset;
    EXPECT_EQ(status(offset + 4, 4), IoStatus::kOk) << offset;
    EXPECT_EQ(status(offset + 4, 8), IoStatus::kBadWidth) << offset;
  }
  EXPECT_EQ(status(kCommonEnd, 4), IoStatus::kNoRegister);
}

TEST_F(VirtioPciTest, BetweenItsPartsTheBarIsEmpty) {
  std::array<std::byte, 8> raw{};
  for (const uint64_t offset : {uint64_t{0x100}, VirtioPci::kIsrOffset + 8, VirtioPci::kMsixTableOffset + 64,
                                VirtioPci::kMsixPendingOffset + 8, VirtioPci::kBarSize - 8}) {
    EXPECT_EQ(function.read_bar(0, offset, raw), IoStatus::kNoRegister) << offset;
    EXPECT_EQ(function.write_bar(0, offset, raw), IoStatus::kNoRegister) << offset;
  }
  EXPECT_EQ(function.read_bar(0, VirtioPci::kIsrOffset, std::span{raw}.first(4)), IoStatus::kBadWidth);
  EXPECT_EQ(function.write_bar(0, VirtioPci::kIsrOffset, std::span{raw}.first(1)), IoStatus::kNoRegister);
  EXPECT_EQ(function.read_bar(0, VirtioPci::kNotifyOffset, std::span{raw}.first(2)), IoStatus::kNoRegister);
}

TEST_F(VirtioPciTest, TheDevicesConfigurationTakesAnyWidth) {
  EXPECT_EQ(guest.bar<uint8_t>(VirtioPci::kConfigOffset), 0U);
  EXPECT_EQ(guest.bar<uint64_t>(VirtioPci::kConfigOffset + 8), 0U);
  EXPECT_EQ(guest.bar<uint64_t>(VirtioPci::kNotifyOffset - 8), 0U);
  FakeVirtioDevice body;
  VirtioPci other{
      {.device = body, .memory = memory, .pci = {.windows = kWindows, .intx = line, .msi = &sink}, .doorbells = host}};
  Guest{other}.set_bar<uint32_t>(VirtioPci::kConfigOffset + 4, 0x1234'5678);
  EXPECT_EQ(body.config[7], std::byte{0x12});
  EXPECT_EQ(Guest{other}.bar<uint16_t>(VirtioPci::kConfigOffset + 6), 0x1234U);
}

TEST_F(VirtioPciTest, TheBarIsReachedByConfigurationSpaceToo) {
  const uint8_t at = guest.virtio_capability(5)->at;
  const auto select = [&](uint8_t bar, uint32_t offset, uint32_t length) {
    guest.set_config<uint8_t>(at + 4, bar);
    guest.set_config<uint32_t>(at + 8, offset);
    guest.set_config<uint32_t>(at + 12, length);
  };
  select(VirtioPci::kBar, kNumQueues, 2);
  EXPECT_EQ(guest.config<uint16_t>(at + 16), 1U);
  select(VirtioPci::kBar, kStatus, 1);
  guest.set_config<uint8_t>(at + 16, 1);
  EXPECT_EQ(guest.bar<uint8_t>(kStatus), 1U);
  guest.set_config<uint8_t>(at + 16, 3);
  EXPECT_EQ(guest.config<uint8_t>(at + 16), 3U);
  select(VirtioPci::kBar, VirtioPci::kMsixTableOffset + 12, 4);
  EXPECT_EQ(guest.config<uint32_t>(at + 16), 1U);
  guest.set_config<uint32_t>(at + 16, 0);
  EXPECT_EQ(guest.bar<uint32_t>(VirtioPci::kMsixTableOffset + 12), 0U);
  // What the device refuses reads as ones.
  select(VirtioPci::kBar, kStatus, 4);
  EXPECT_EQ(guest.config<uint32_t>(at + 16), UINT32_MAX);
}

TEST_F(VirtioPciTest, ConfigurationSpaceMakesNoAccessThatThereIsNot) {
  const uint8_t at = guest.virtio_capability(5)->at;
  const uint32_t end = VirtioPci::kBarSize;
  for (const auto& [bar, offset, length] : std::vector<std::array<uint32_t, 3>>{{1, kStatus, 1},
                                                                                {255, kStatus, 1},
                                                                                {0, kStatus, 0},
                                                                                {0, kStatus, 3},
                                                                                {0, kStatus, 8},
                                                                                {0, kStatus, UINT32_MAX},
                                                                                {0, end, 1},
                                                                                {0, end - 1, 2},
                                                                                {0, UINT32_MAX, 1},
                                                                                {0, UINT32_MAX - 3, 4}}) {
    guest.set_config<uint8_t>(at + 4, static_cast<uint8_t>(bar));
    guest.set_config<uint32_t>(at + 8, offset);
    guest.set_config<uint32_t>(at + 12, length);
    guest.set_config<uint32_t>(at + 16, 0x0101'0101);
    EXPECT_EQ(guest.config<uint32_t>(at + 16), 0x0101'0101U) << bar << ' ' << offset << ' ' << length;
    EXPECT_EQ(guest.bar<uint8_t>(kStatus), 0U) << bar << ' ' << offset << ' ' << length;
  }
  // Inside the BAR, and of a width that the registers there do not have: as where there is no register.
  guest.set_config<uint8_t>(at + 4, 0);
  guest.set_config<uint32_t>(at + 8, kQueueSelect - 2);
  guest.set_config<uint32_t>(at + 12, 4);
  EXPECT_EQ(guest.config<uint32_t>(at + 16), UINT32_MAX);
}

TEST_F(VirtioPciTest, StateGoesRound) {
  guest.place_bar(kBarPlace);
  guest.enable_msix(2);
  start(0, 1);
  guest.set_bar<uint32_t>(kDeviceFeatureSelect, 1);
  guest.set_bar<uint32_t>(kDriverFeatureSelect, 7);
  guest.set_config<uint32_t>(guest.virtio_capability(5)->at + 8, 0x14);
  VirtioRng body;
  FakeDoorbellHost other_host;
  VirtioPci other{{.device = body,
                   .memory = memory,
                   .pci = {.windows = kWindows, .intx = line, .msi = &sink},
                   .doorbells = other_host}};
  const VirtioPciState state = function.state();
  EXPECT_EQ(state.queue_vectors, std::vector<uint16_t>{1});
  other.restore(state);
  EXPECT_EQ(other.state(), state);
  EXPECT_EQ(other_host.doorbells.size(), 1U);
  EXPECT_EQ(Guest{other}.bar<uint16_t>(kQueueVector), 1U);
}

TEST_F(VirtioPciTest, RestoresOnlyWhatAGuestCanWrite) {
  VirtioPciState state = function.state();
  state.interrupt_causes = 0xFF;
  state.config_vector = 2;
  state.queue_vectors = {7, 8, 9};
  function.restore(state);
  EXPECT_EQ(function.state().config_vector, kNone);
  EXPECT_EQ(function.state().queue_vectors, std::vector{kNone});
  EXPECT_TRUE(line.level);
  EXPECT_EQ(guest.bar<uint8_t>(VirtioPci::kIsrOffset), 3U);
}

/// A device with a thread of its own, which interrupts its driver while it is being stopped.
class BusyDevice final : public VirtioDevice {
 public:
  std::string_view name() const noexcept override { return "busy"; }
  VirtioId id() const noexcept override { return VirtioId::kBlock; }
  uint64_t features() const noexcept override { return 0; }
  std::span<const uint16_t> queue_sizes() const noexcept override { return sizes_; }
  void read_config(uint64_t offset, std::span<std::byte> out) noexcept override { read_config_bytes({}, offset, out); }
  std::span<const int> doorbells() const noexcept override { return {}; }
  void start(VirtioSession session) noexcept override {
    thread_ = std::jthread([driver = session.driver](const std::stop_token& stop) {
      while (!stop.stop_requested())
        driver->interrupt_queue(0);
      for (int i = 0; i < 100; ++i)
        driver->config_changed();
    });
  }
  void stop() noexcept override { thread_ = {}; }
  VirtqueueState stopped_at(uint16_t /*queue*/) const noexcept override { return {}; }
  void hold() noexcept override {}
  bool is_quiet() const noexcept override { return !thread_.joinable(); }
  void go_on() noexcept override {}

 private:
  std::array<uint16_t, 1> sizes_{8};
  std::jthread thread_;
};

TEST_F(VirtioPciTest, InterruptsDoNotWaitForAHartThatStopsTheDevice) {
  BusyDevice busy;
  VirtioPci other{{.device = busy,
                   .memory = memory,
                   .pci = {.windows = kWindows, .intx = line, .msi = nullptr},
                   .doorbells = host}};
  Guest other_guest{other};
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(other_guest.agree_on_features());
    other_guest.enable_queue(0, queue.layout(), kNone);
    other_guest.set_bar<uint8_t>(kStatus, 15);
    while (other_guest.bar<uint8_t>(VirtioPci::kIsrOffset) == 0)
      std::this_thread::yield();
    other_guest.set_bar<uint8_t>(kStatus, 0);
    EXPECT_FALSE(line.level);
  }
}

}  // namespace
}  // namespace rvvmm::virtio_pci_test

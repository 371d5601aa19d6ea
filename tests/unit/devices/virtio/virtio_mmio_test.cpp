#include "devices/virtio/virtio_mmio.hpp"

#include <gtest/gtest.h>
#include <libfdt.h>

#include <algorithm>
#include <string>
#include <vector>

#include "fakes/fake_irq.hpp"
#include "fakes/fake_virtio_device.hpp"
#include "fakes/fake_virtio_driver.hpp"
#include "unit/devices/register_access.hpp"

namespace rvvmm::virtio_mmio_test {
namespace {

enum Offset : uint64_t {
  kMagic = 0x000,
  kVersion = 0x004,
  kDeviceId = 0x008,
  kVendorId = 0x00C,
  kDeviceFeatures = 0x010,
  kDeviceFeaturesSel = 0x014,
  kDriverFeatures = 0x020,
  kDriverFeaturesSel = 0x024,
  kQueueSel = 0x030,
  kQueueNumMax = 0x034,
  kQueueNum = 0x038,
  kQueueReady = 0x044,
  kQueueNotify = 0x050,
  kInterruptStatus = 0x060,
  kInterruptAck = 0x064,
  kStatus = 0x070,
  kQueueDescLow = 0x080,
  kQueueDescHigh = 0x084,
  kQueueDriverLow = 0x090,
  kQueueDriverHigh = 0x094,
  kQueueDeviceLow = 0x0A0,
  kQueueDeviceHigh = 0x0A4,
  kShmSel = 0x0AC,
  kShmLenLow = 0x0B0,
  kShmBaseHigh = 0x0BC,
  kConfigGeneration = 0x0FC,
  kConfig = 0x100,
};

constexpr Gpa kRam{0x8000'0000};
constexpr uint32_t kReady = 15;

class VirtioMmioTest : public ::testing::Test {
 protected:
  uint32_t get(uint64_t offset) { return load_register<uint32_t>(*mmio, offset); }
  void put(uint64_t offset, uint32_t value) { store_register(*mmio, offset, value); }

  // As Linux does it: drivers/virtio/virtio_mmio.c, and virtio.c for the order.
  uint64_t device_features() {
    put(kDeviceFeaturesSel, 1);
    const uint64_t high = get(kDeviceFeatures);
    put(kDeviceFeaturesSel, 0);
    return high << 32 | get(kDeviceFeatures);
  }
  void set_driver_features(uint64_t features) {
    put(kDriverFeaturesSel, 1);
    put(kDriverFeatures, static_cast<uint32_t>(features >> 32));
    put(kDriverFeaturesSel, 0);
    put(kDriverFeatures, static_cast<uint32_t>(features));
  }
  void set_up_queue(uint32_t index) {
    const VirtqueueLayout& layout = rings[index].layout();
    put(kQueueSel, index);
    EXPECT_EQ(get(kQueueReady), 0U);
    EXPECT_GE(get(kQueueNumMax), layout.size);
    put(kQueueNum, layout.size);
    put(kQueueDescLow, static_cast<uint32_t>(layout.descriptors.value));
    put(kQueueDescHigh, static_cast<uint32_t>(layout.descriptors.value >> 32));
    put(kQueueDriverLow, static_cast<uint32_t>(layout.driver_area.value));
    put(kQueueDriverHigh, static_cast<uint32_t>(layout.driver_area.value >> 32));
    put(kQueueDeviceLow, static_cast<uint32_t>(layout.device_area.value));
    put(kQueueDeviceHigh, static_cast<uint32_t>(layout.device_area.value >> 32));
    put(kQueueReady, 1);
    EXPECT_EQ(get(kQueueReady), 1U);
  }
  void agree() {
    put(kStatus, 0);
    put(kStatus, 1);
    put(kStatus, 3);
    set_driver_features(device_features());
    put(kStatus, 11);
    EXPECT_EQ(get(kStatus), 11U);
  }
  void start() {
    agree();
    set_up_queue(0);
    set_up_queue(1);
    put(kStatus, kReady);
    EXPECT_EQ(get(kStatus), kReady);
  }

  const GuestMemory memory{kRam, 64_KiB};
  std::array<FakeDriverQueue, 2> rings{FakeDriverQueue{memory, kRam, 8}, FakeDriverQueue{memory, kRam + 0x1000, 4}};
  FakeVirtioDevice device;
  FakeIrqLine irq;
  std::optional<VirtioMmio> mmio{std::in_place, device, memory, irq};
};

TEST_F(VirtioMmioTest, SaysWhatItIs) {
  EXPECT_EQ(get(kMagic), 0x7472'6976U) << "\"virt\"";
  EXPECT_EQ(get(kVersion), 2U);
  EXPECT_EQ(get(kDeviceId), 2U);
  EXPECT_NE(get(kVendorId), 0U);
}

TEST_F(VirtioMmioTest, ADriverThatDoesAsLinuxStartsTheDevice) {
  start();
  ASSERT_TRUE(device.session);
  EXPECT_EQ(device.session->features, FakeVirtioDevice::kOffered);
  for (const size_t index : {0U, 1U}) {
    ASSERT_TRUE(device.session->queues[index]);
    Virtqueue& queue = *device.session->queues[index];
    EXPECT_EQ(queue.size(), device.sizes[index]);
    rings[index].set_descriptor(0, {.address = kRam.value + 0x2000, .length = 7});
    rings[index].offer(0);
    DescriptorChain chain;
    ASSERT_TRUE(queue.pop(chain));
    queue.push(chain, 3);
    EXPECT_EQ(rings[index].take_used(), (FakeUsed{.id = 0, .length = 3}));
  }
}

TEST_F(VirtioMmioTest, FeatureWordsThatDoNotExistAreEmpty) {
  for (const uint32_t word : {2U, 3U, 31U, 32U, UINT32_MAX}) {
    put(kDeviceFeaturesSel, word);
    EXPECT_EQ(get(kDeviceFeatures), 0U) << word;
    put(kDriverFeaturesSel, word);
    put(kDriverFeatures, UINT32_MAX);
  }
  agree();
}

TEST_F(VirtioMmioTest, AQueueThatThereIsNotHasNoSizeAndTakesNone) {
  agree();
  for (const uint32_t index : {2U, 0x1'0000U, UINT32_MAX}) {
    put(kQueueSel, index);
    EXPECT_EQ(get(kQueueNumMax), 0U);
    put(kQueueNum, 4);
    put(kQueueDescLow, 4);
    put(kQueueReady, 1);
    EXPECT_EQ(get(kQueueReady), 0U);
    put(kQueueReady, 0);
  }
  for (const uint32_t index : {0U, 1U}) {
    put(kQueueSel, index);
    EXPECT_EQ(get(kQueueReady), 0U);
  }
}

TEST_F(VirtioMmioTest, SizesThatTheQueueCannotHaveBreakItInsteadOfBecomingOthers) {
  for (const uint32_t size : {0U, 3U, 16U, 0x1'0000U, 0x1'0004U, UINT32_MAX}) {
    agree();
    set_up_queue(1);
    put(kQueueSel, 0);
    put(kQueueNum, size);
    put(kQueueDescLow, static_cast<uint32_t>(kRam.value));
    put(kQueueDriverLow, static_cast<uint32_t>(kRam.value));
    put(kQueueDeviceLow, static_cast<uint32_t>(kRam.value));
    put(kQueueReady, 1);
    testing::internal::CaptureStderr();
    put(kStatus, kReady);
    const std::string said = testing::internal::GetCapturedStderr();
    // Of what comes again and again not each time is told.
    if (size < 0x1'0004U) {
      EXPECT_NE(said.find("its size is not a power of two"), std::string::npos) << size;
    }
    EXPECT_EQ(get(kStatus), kReady | 64U);
    EXPECT_FALSE(device.session);
  }
}

TEST_F(VirtioMmioTest, AddressesHave64Bits) {
  agree();
  put(kQueueSel, 0);
  put(kQueueDescLow, static_cast<uint32_t>(kRam.value));
  put(kQueueDescHigh, 1);  // above 4 GiB: not in RAM
  put(kQueueDriverLow, static_cast<uint32_t>(kRam.value));
  put(kQueueDeviceLow, static_cast<uint32_t>(kRam.value));
  put(kQueueReady, 1);
  testing::internal::CaptureStderr();
  put(kStatus, kReady);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("a ring is not in RAM"), std::string::npos);
}

TEST_F(VirtioMmioTest, RingsThatAreReadyAreNotMoved) {
  agree();
  set_up_queue(0);
  for (uint64_t offset = kQueueDescLow; offset <= kQueueDeviceHigh; offset += 4) {
    if (offset % 0x10 < 8) put(offset, 0x1234);
  }
  put(kQueueNum, 2);
  put(kStatus, kReady);
  EXPECT_EQ(get(kStatus), kReady);
  EXPECT_EQ(device.session->queues[0]->size(), 8);
}

TEST_F(VirtioMmioTest, AQueueCanBeTakenBackBeforeDriverOkAndNotAfter) {
  agree();
  set_up_queue(0);
  put(kQueueReady, 0);
  EXPECT_EQ(get(kQueueReady), 0U);
  set_up_queue(0);
  put(kStatus, kReady);
  put(kQueueReady, 0);
  EXPECT_EQ(get(kQueueReady), 1U) << "the device works with it until it is reset";
}

TEST_F(VirtioMmioTest, NotifyRingsTheDoorbellOfThatQueue) {
  put(kQueueNotify, 0);
  EXPECT_EQ(device.kicks(0), 0U) << "before DRIVER_OK";
  start();
  put(kQueueNotify, 1);
  put(kQueueNotify, 2);
  put(kQueueNotify, 0x1'0000);
  EXPECT_EQ(device.kicks(0), 0U);
  EXPECT_EQ(device.kicks(1), 1U);
}

TEST_F(VirtioMmioTest, TheLineIsAssertedUntilEachCauseIsAcknowledged) {
  start();
  EXPECT_FALSE(irq.level);
  device.session->driver->interrupt_queue(1);
  EXPECT_TRUE(irq.level);
  EXPECT_EQ(get(kInterruptStatus), 1U);
  device.session->driver->config_changed();
  EXPECT_EQ(get(kInterruptStatus), 3U);
  put(kInterruptAck, 1);
  EXPECT_EQ(get(kInterruptStatus), 2U);
  EXPECT_TRUE(irq.level);
  put(kInterruptAck, 0xFFFF'FFFC);
  EXPECT_TRUE(irq.level) << "causes that there are not";
  put(kInterruptAck, 2);
  EXPECT_EQ(get(kInterruptStatus), 0U);
  EXPECT_FALSE(irq.level);
}

TEST_F(VirtioMmioTest, AResetLowersTheLineWhateverIsInTheUpperBits) {
  for (const uint32_t zero : {0U, 0x100U, 0xFFFF'FF00U}) {
    start();
    device.session->driver->interrupt_queue(0);
    put(kStatus, zero);
    EXPECT_EQ(get(kStatus), 0U);
    EXPECT_EQ(get(kInterruptStatus), 0U) << zero;
    EXPECT_FALSE(irq.level) << zero;
    EXPECT_FALSE(device.session);
    EXPECT_EQ(get(kQueueReady), 0U);
  }
}

TEST_F(VirtioMmioTest, ItsEndStopsTheDevice) {
  start();
  mmio.reset();
  EXPECT_EQ(device.stops, 1);
}

TEST_F(VirtioMmioTest, TheGenerationChangesWithTheConfiguration) {
  start();
  const uint32_t before = get(kConfigGeneration);
  EXPECT_EQ(get(kConfigGeneration), before);
  device.session->driver->config_changed();
  EXPECT_NE(get(kConfigGeneration), before);
}

TEST_F(VirtioMmioTest, TheConfigurationTakesAnyWidthAnywhere) {
  store_register<uint64_t>(*mmio, kConfig, 0x8877'6655'4433'2211);
  for (uint64_t offset = 0; offset < 12; ++offset) {
    const uint64_t expected = offset < 8 ? 0x8877'6655'4433'2211 >> (offset * 8) : 0;
    EXPECT_EQ(load_register<uint8_t>(*mmio, kConfig + offset), expected & 0xFF) << offset;
    EXPECT_EQ(load_register<uint16_t>(*mmio, kConfig + offset), expected & 0xFFFF) << offset;
    EXPECT_EQ(load_register<uint32_t>(*mmio, kConfig + offset), expected & UINT32_MAX) << offset;
    EXPECT_EQ(load_register<uint64_t>(*mmio, kConfig + offset), expected) << offset;
  }
  const uint64_t last = VirtioMmio::kWindowSize - 8;
  store_register<uint64_t>(*mmio, last, UINT64_MAX);
  EXPECT_EQ(load_register<uint64_t>(*mmio, last), 0U);
}

TEST_F(VirtioMmioTest, RegistersAre32BitsWide) {
  for (uint64_t offset = 0; offset < kConfig; offset += 4) {
    EXPECT_EQ(load_status<uint8_t>(*mmio, offset), IoStatus::kBadWidth) << offset;
    EXPECT_EQ(load_status<uint16_t>(*mmio, offset), IoStatus::kBadWidth) << offset;
    EXPECT_EQ(load_status<uint64_t>(*mmio, offset), IoStatus::kBadWidth) << offset;
    EXPECT_EQ(store_status<uint8_t>(*mmio, offset, 0), IoStatus::kBadWidth) << offset;
    EXPECT_EQ(store_status<uint16_t>(*mmio, offset, 0), IoStatus::kBadWidth) << offset;
    EXPECT_EQ(store_status<uint64_t>(*mmio, offset, 0), IoStatus::kBadWidth) << offset;
  }
}

TEST_F(VirtioMmioTest, EachRegisterIsForReadingOrWritingAndTheRestIsNone) {
  const std::vector<uint64_t> readable{kMagic,       kVersion,    kDeviceId,        kVendorId,        kDeviceFeatures,
                                       kQueueNumMax, kQueueReady, kInterruptStatus, kStatus,          kShmLenLow,
                                       0x0B4,        0x0B8,       kShmBaseHigh,     kConfigGeneration};
  const std::vector<uint64_t> writable{kDeviceFeaturesSel,
                                       kDriverFeatures,
                                       kDriverFeaturesSel,
                                       kQueueSel,
                                       kQueueNum,
                                       kQueueReady,
                                       kQueueNotify,
                                       kInterruptAck,
                                       kStatus,
                                       kQueueDescLow,
                                       kQueueDescHigh,
                                       kQueueDriverLow,
                                       kQueueDriverHigh,
                                       kQueueDeviceLow,
                                       kQueueDeviceHigh,
                                       kShmSel};
  for (uint64_t offset = 0; offset < kConfig; ++offset) {
    const bool to_read = std::ranges::find(readable, offset) != readable.end();
    const bool to_write = std::ranges::find(writable, offset) != writable.end();
    EXPECT_EQ(load_status<uint32_t>(*mmio, offset), to_read ? IoStatus::kOk : IoStatus::kNoRegister)
        << std::hex << offset;
    EXPECT_EQ(store_status<uint32_t>(*mmio, offset, 0), to_write ? IoStatus::kOk : IoStatus::kNoRegister)
        << std::hex << offset;
  }
}

TEST_F(VirtioMmioTest, HasNoSharedMemory) {
  put(kShmSel, 0);
  for (uint64_t offset = kShmLenLow; offset <= kShmBaseHigh; offset += 4)
    EXPECT_EQ(get(offset), UINT32_MAX);
}

TEST_F(VirtioMmioTest, StateSurvivesARoundTrip) {
  start();
  device.session->driver->config_changed();
  put(kDeviceFeaturesSel, 1);
  put(kDriverFeaturesSel, 3);
  put(kQueueSel, 1);
  const VirtioMmioState saved = mmio->state();
  FakeVirtioDevice other_device;
  FakeIrqLine other_irq;
  VirtioMmio other{other_device, memory, other_irq};
  other.restore(saved);
  EXPECT_EQ(other.state(), saved);
  EXPECT_TRUE(other_irq.level);
  for (const uint64_t offset :
       {kDeviceFeatures, kQueueNumMax, kQueueReady, kInterruptStatus, kStatus, kConfigGeneration})
    EXPECT_EQ(load_register<uint32_t>(other, offset), get(offset)) << offset;
  EXPECT_EQ(other_device.starts, 2) << "and once more behind state()";
  // What was restored is no more than a device: a reset ends it.
  other.restore({});
  EXPECT_FALSE(other_irq.level);
  EXPECT_FALSE(other_device.session);
}

TEST_F(VirtioMmioTest, DescribesItself) {
  FdtBuilder fdt;
  mmio->describe(fdt, {.window = {.base = Gpa{0x1000'8000}, .size = VirtioMmio::kWindowSize}, .interrupts = {20, 4}});
  const std::vector<std::byte> blob = fdt.finish();
  const int node = fdt_path_offset(blob.data(), "/virtio_mmio@10008000");
  ASSERT_GE(node, 0);
  int length = 0;
  EXPECT_STREQ(static_cast<const char*>(fdt_getprop(blob.data(), node, "compatible", &length)), "virtio,mmio");
  EXPECT_NE(fdt_getprop(blob.data(), node, "reg", &length), nullptr);
  EXPECT_EQ(length, 16);
  EXPECT_NE(fdt_getprop(blob.data(), node, "interrupts", &length), nullptr);
  EXPECT_EQ(length, 8);
  EXPECT_NE(fdt_getprop(blob.data(), node, "dma-coherent", &length), nullptr);
}

}  // namespace
}  // namespace rvvmm::virtio_mmio_test

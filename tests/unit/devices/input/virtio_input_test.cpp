#include "devices/input/virtio_input.hpp"

#include <gtest/gtest.h>
#include <linux/input-event-codes.h>

#include <string>

#include "fakes/fake_virtio_driver.hpp"

namespace rvvmm::virtio_input_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr Gpa kBuffers = kRam + 0x4000;
constexpr uint16_t kEvents = VirtioInput::kEventQueue;
constexpr uint16_t kStatus = VirtioInput::kStatusQueue;

struct Event {
  uint16_t type = 0;
  uint16_t code = 0;
  uint32_t value = 0;
  friend bool operator==(const Event&, const Event&) = default;
};
constexpr Event kSync{.type = EV_SYN, .code = SYN_REPORT, .value = 0};
constexpr Event kPress{.type = EV_KEY, .code = KEY_POWER, .value = 1};
constexpr Event kRelease{.type = EV_KEY, .code = KEY_POWER, .value = 0};

class VirtioInputTest : public ::testing::Test {
 protected:
  void start(VirtioInput& device, bool resumed = false) {
    std::string_view why;
    VirtioSession session{.queues = {}, .features = kVirtioVersion1, .driver = &side};
    for (const FakeDriverQueue* queue : {&events, &status}) {
      session.queues.push_back(Virtqueue::create(memory, queue->layout(), {}, why));
      ASSERT_TRUE(session.queues.back()) << why;
      if (resumed) session.queues.back()->set_state(key.stopped_at(static_cast<uint16_t>(session.queues.size() - 1)));
    }
    device.start(std::move(session));
  }
  void offer(uint16_t count, uint32_t length = sizeof(Event)) {
    for (uint16_t i = 0; i < count; ++i) {
      events.set_chain(i, {{.address = (kBuffers + 8U * i).value, .length = length, .flags = kDescWrite}});
      events.offer(i);
    }
  }
  Event next_event() {
    const auto used = events.take_used();
    if (!used || used->length != sizeof(Event)) return {.type = 0xFFFF};
    return *memory.load<Event>(kBuffers + 8U * used->id);
  }
  void select(uint8_t select, uint8_t subselect) {
    const std::array<uint8_t, 2> both{select, subselect};
    key.write_config(0, std::as_bytes(std::span{both}));
  }
  std::string answer() {
    uint8_t size = 0;
    key.read_config(2, std::as_writable_bytes(std::span{&size, 1}));
    std::string data(size, '?');
    key.read_config(8, std::as_writable_bytes(std::span{data}));
    return data;
  }

  const GuestMemory memory{kRam, 64_KiB};
  FakeDriverQueue events{memory, kRam, 8};
  FakeDriverQueue status{memory, kRam + 0x1000, 8};
  FakeDriverSide side;
  VirtioInput key;
};

TEST_F(VirtioInputTest, PowerIsPressedAndReleased) {
  start(key);
  offer(8);
  EXPECT_TRUE(key.press_power());
  for (const Event& expected : {kPress, kSync, kRelease, kSync})
    EXPECT_EQ(next_event(), expected);
  EXPECT_FALSE(events.take_used());
  EXPECT_EQ(side.queue_interrupts, 1);
  EXPECT_TRUE(key.press_power());
  EXPECT_EQ(next_event(), kPress);
}

TEST_F(VirtioInputTest, WithoutADriverNobodyIsTold) {
  EXPECT_FALSE(key.press_power());
  start(key);
  EXPECT_FALSE(key.press_power()) << "there are no buffers";
  offer(8);
  key.on_doorbell(kEvents);
  EXPECT_FALSE(events.take_used()) << "a press from before";
  key.stop();
  EXPECT_FALSE(key.press_power());
}

TEST_F(VirtioInputTest, AResetForgetsAPressAndAStopDoesNot) {
  start(key);
  offer(1);
  EXPECT_TRUE(key.press_power());
  key.stop();
  EXPECT_EQ(key.state().events_left, 3);
  key.reset();
  EXPECT_EQ(key.state(), VirtioInputState{});
}

TEST_F(VirtioInputTest, ADriverWithFewBuffersGetsTheRestLater) {
  start(key);
  offer(1);
  EXPECT_TRUE(key.press_power());
  EXPECT_EQ(next_event(), kPress);
  EXPECT_TRUE(key.press_power()) << "one press at a time";
  offer(8);
  key.on_doorbell(kEvents);
  for (const Event& expected : {kSync, kRelease, kSync})
    EXPECT_EQ(next_event(), expected);
  EXPECT_FALSE(events.take_used());
}

TEST_F(VirtioInputTest, BuffersThatAreTooShortCostTheEvent) {
  start(key);
  offer(4, 3);
  EXPECT_TRUE(key.press_power());
  EXPECT_EQ(events.take_used(), (FakeUsed{.id = 0, .length = 3}));
  EXPECT_EQ(events.used_index(), 4);
}

TEST_F(VirtioInputTest, ABrokenQueueTakesNoPress) {
  start(key);
  events.set_chain(0, {{.address = 0x1000, .length = 8, .flags = kDescWrite}});
  events.offer(0);
  EXPECT_FALSE(key.press_power());
  EXPECT_GE(side.resets_needed, 1);
}

TEST_F(VirtioInputTest, StatusesAreTakenAndGivenBack) {
  start(key);
  status.set_chain(0, {{.address = kBuffers.value, .length = 8}});
  status.offer(0);
  key.on_doorbell(kStatus);
  EXPECT_EQ(status.take_used(), (FakeUsed{.id = 0, .length = 0}));
}

TEST_F(VirtioInputTest, TheConfigurationSaysWhatItIs) {
  EXPECT_EQ(answer(), "") << "nothing is selected";
  select(0x01, 0);
  EXPECT_EQ(answer(), "rvvmm power key");
  select(0x02, 0);
  EXPECT_EQ(answer(), "power-key");
  select(0x03, 0);
  EXPECT_EQ(answer(), std::string("\x06\0\0\0\0\0\x01\0", 8));
  select(0x11, EV_KEY);
  std::string keys(KEY_POWER / 8 + 1, '\0');
  keys.back() = 1 << KEY_POWER % 8;
  EXPECT_EQ(answer(), keys);
  for (const int type : {EV_SYN, EV_REL, EV_ABS, EV_MSC, EV_SW, EV_LED, EV_SND, EV_REP}) {
    select(0x11, static_cast<uint8_t>(type));
    EXPECT_EQ(answer(), "") << "event type " << type;
  }
  for (const int what : {0x00, 0x10, 0x12, 0xFF}) {
    select(static_cast<uint8_t>(what), EV_KEY);
    EXPECT_EQ(answer(), "") << "selection " << what;
  }
}

TEST_F(VirtioInputTest, ConfigurationTakesAnyWidthAnywhere) {
  const uint8_t name = 0x01;
  key.write_config(0, std::as_bytes(std::span{&name, 1}));
  const uint64_t all = 0x1111'1111'1111'1111;
  for (const uint64_t offset : {uint64_t{2}, uint64_t{8}, uint64_t{135}, uint64_t{136}, UINT64_MAX})
    key.write_config(offset, std::as_bytes(std::span{&all, 1}));
  EXPECT_EQ(key.state(), (VirtioInputState{.select = 1}));
  key.write_config(1, std::as_bytes(std::span{&all, 1}));
  EXPECT_EQ(key.state(), (VirtioInputState{.select = 1, .subselect = 0x11}));
  uint64_t head = 0;
  key.read_config(0, std::as_writable_bytes(std::span{&head, 1}));
  EXPECT_EQ(head, 0x0F'11'01U);
  uint64_t beyond = 1;
  key.read_config(136, std::as_writable_bytes(std::span{&beyond, 1}));
  EXPECT_EQ(beyond, 0U);
}

TEST_F(VirtioInputTest, StateMakesARoundTrip) {
  select(0x11, EV_KEY);
  start(key);
  offer(1);
  EXPECT_TRUE(key.press_power());
  EXPECT_EQ(next_event(), kPress);
  key.stop();
  const VirtioInputState state = key.state();
  EXPECT_EQ(state, (VirtioInputState{.select = 0x11, .subselect = EV_KEY, .events_left = 3}));
  VirtioInput copy;
  copy.restore(state);
  EXPECT_EQ(copy.state(), state);
  start(copy, true);
  offer(8);
  copy.on_doorbell(kEvents);
  EXPECT_EQ(next_event(), kSync);
  EXPECT_EQ(next_event(), kRelease);
  copy.stop();
  copy.reset();
  EXPECT_EQ(copy.state(), VirtioInputState{}) << "a new driver knows of no press";
  copy.restore({.select = 0, .subselect = 0, .events_left = 255});
  EXPECT_EQ(copy.state().events_left, 4);
}

}  // namespace
}  // namespace rvvmm::virtio_input_test

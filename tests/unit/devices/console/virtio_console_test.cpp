#include "devices/console/virtio_console.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <cstring>
#include <string>

#include "fakes/fake_console_ends.hpp"
#include "fakes/fake_virtio_driver.hpp"

namespace rvvmm::virtio_console_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kRamSize = 1_MiB;
constexpr Gpa kBuffers = kRam + 0x4000;
constexpr uint16_t kRx = VirtioConsole::kReceiveQueue;
constexpr uint16_t kTx = VirtioConsole::kTransmitQueue;

/// Takes so many bytes and then no more, until there is room again.
class NarrowSink final : public PatientConsoleSink {
 public:
  size_t try_write(std::span<const std::byte> bytes) noexcept override {
    ++writes;
    const size_t take = std::min(bytes.size(), room);
    text.append(reinterpret_cast<const char*>(bytes.data()), take);
    room -= take;
    return take;
  }

  size_t room = SIZE_MAX;
  std::string text;
  int writes = 0;
};

class VirtioConsoleTest : public ::testing::Test {
 protected:
  void start(VirtioConsole& device, bool resumed = false) {
    std::string_view why;
    VirtioSession session{.queues = {}, .features = kVirtioVersion1, .driver = &side};
    for (const FakeDriverQueue* queue : {&rx, &tx}) {
      session.queues.push_back(Virtqueue::create(memory, queue->layout(), {}, why));
      ASSERT_TRUE(session.queues.back()) << why;
      if (resumed)
        session.queues.back()->set_state(console.stopped_at(static_cast<uint16_t>(session.queues.size() - 1)));
    }
    device.start(std::move(session));
  }
  void start() { start(console); }

  Gpa put(uint64_t offset, std::string_view text) {
    const Gpa at = kBuffers + offset;
    std::memcpy(memory.slice(at, text.size())->data(), text.data(), text.size());
    return at;
  }
  std::string get(uint64_t offset, size_t length) {
    return {reinterpret_cast<const char*>(memory.slice(kBuffers + offset, length)->data()), length};
  }
  void offer_output(uint16_t head, uint64_t offset, std::string_view text) {
    tx.set_chain(head, {{.address = put(offset, text).value, .length = static_cast<uint32_t>(text.size())}});
    tx.offer(head);
  }
  void offer_input(uint16_t head, uint64_t offset, uint32_t length) {
    rx.set_chain(head, {{.address = (kBuffers + offset).value, .length = length, .flags = kDescWrite}});
    rx.offer(head);
  }
  void type(std::string_view text) {
    in.waiting += text;
    console.on_console_input();
  }
  bool doorbell_rings(uint16_t queue) {
    pollfd bell{.fd = console.doorbells()[queue], .events = POLLIN, .revents = 0};
    return ::poll(&bell, 1, 0) == 1;
  }
  template <typename T>
  T config(uint64_t offset) {
    T value{};
    console.read_config(offset, std::as_writable_bytes(std::span{&value, 1}));
    return value;
  }

  const GuestMemory memory{kRam, kRamSize};
  FakeDriverQueue rx{memory, kRam, 8};
  FakeDriverQueue tx{memory, kRam + 0x1000, 8};
  FakeDriverSide side;
  NarrowSink out;
  ScriptedSource in;
  VirtioConsole console{{.out = out, .in = in, .has_size = true}};
};

TEST_F(VirtioConsoleTest, OutputGoesOutWholeAndInOrder) {
  start();
  tx.set_chain(0,
               {{.address = put(0, "hello, ").value, .length = 7}, {.address = put(64, "world").value, .length = 5}});
  tx.offer(0);
  offer_output(2, 128, "!\n");
  console.on_doorbell(kTx);
  EXPECT_EQ(out.text, "hello, world!\n");
  EXPECT_EQ(out.writes, 3);
  EXPECT_EQ(tx.take_used(), (FakeUsed{.id = 0, .length = 0}));
  EXPECT_EQ(tx.take_used(), (FakeUsed{.id = 2, .length = 0}));
  EXPECT_EQ(side.queue_interrupts, 1);
  EXPECT_EQ(side.last_queue, kTx);
}

TEST_F(VirtioConsoleTest, HeldItTellsTheDriverOfNothingUntilItGoesOn) {
  start();
  offer_input(0, 0, 16);
  console.hold();
  type("held");
  console.set_size({.columns = 100, .rows = 40});
  console.on_doorbell(kRx);
  EXPECT_EQ(in.waiting, "held");
  EXPECT_EQ(side.queue_interrupts, 0);
  EXPECT_EQ(side.config_changes, 0);
  console.go_on();
  EXPECT_EQ(side.config_changes, 1);
  ASSERT_TRUE(doorbell_rings(kRx));
  console.on_doorbell(kRx);
  EXPECT_EQ(rx.take_used(), (FakeUsed{.id = 0, .length = 4}));
  EXPECT_EQ(get(0, 4), "held");
}

TEST_F(VirtioConsoleTest, ASizeThatChangedWhileItWasHeldIsToldBehindAStopAndAStartToo) {
  start();
  console.hold();
  console.set_size({.columns = 100, .rows = 40});
  console.stop();
  start();
  EXPECT_EQ(side.config_changes, 0);
  console.go_on();
  EXPECT_EQ(side.config_changes, 1);
}

TEST_F(VirtioConsoleTest, OutputIsServedByTheHartThatKicks) {
  EXPECT_TRUE(console.served_on_hart(kTx));
  EXPECT_FALSE(console.served_on_hart(kRx));
  start();
  offer_output(0, 0, "hello");
  console.serve_on_hart(kTx);
  EXPECT_EQ(out.text, "hello");
  EXPECT_EQ(tx.used_index(), 1);
}

TEST_F(VirtioConsoleTest, OutputWaitsForRoomAndLosesNothing) {
  start();
  out.room = 9;
  tx.set_chain(0,
               {{.address = put(0, "hello, ").value, .length = 7}, {.address = put(64, "world").value, .length = 5}});
  tx.offer(0);
  offer_output(2, 128, "!\n");
  console.on_doorbell(kTx);
  EXPECT_EQ(out.text, "hello, wo");
  EXPECT_FALSE(tx.take_used());
  EXPECT_EQ(side.queue_interrupts, 0);
  EXPECT_FALSE(doorbell_rings(kTx)) << "nobody can do anything for it";
  out.room = 2;
  console.on_output_room();
  EXPECT_EQ(out.text, "hello, worl");
  out.room = SIZE_MAX;
  console.on_output_room();
  EXPECT_EQ(out.text, "hello, world!\n");
  EXPECT_EQ(tx.used_index(), 2);
  EXPECT_EQ(side.queue_interrupts, 1);
}

// A chain may name the same RAM again and again, up to 2^32-1 bytes.
TEST_F(VirtioConsoleTest, AHugeRequestIsServedByAndBy) {
  start();
  constexpr uint64_t kEach = 0x8000;
  std::vector<FakeDescriptor> chain(5, {.address = kBuffers.value, .length = kEach});
  tx.set_chain(0, chain);
  tx.offer(0);
  console.on_doorbell(kTx);
  EXPECT_EQ(out.text.size(), 64_KiB);
  EXPECT_FALSE(tx.take_used());
  int rounds = 1;
  for (; doorbell_rings(kTx) && rounds < 100; ++rounds)
    console.on_doorbell(kTx);
  EXPECT_EQ(rounds, 3);
  EXPECT_EQ(out.text.size(), 5 * kEach);
  EXPECT_EQ(tx.take_used(), (FakeUsed{.id = 0, .length = 0}));
}

TEST_F(VirtioConsoleTest, RequestsThatBringNothingAreGivenBack) {
  start();
  tx.set_chain(0, {{.address = kBuffers.value, .length = 0}});
  tx.set_chain(1, {{.address = kBuffers.value, .length = 16, .flags = kDescWrite}});
  tx.offer(0);
  tx.offer(1);
  rx.set_chain(0, {{.address = kBuffers.value, .length = 16}});
  rx.offer(0);
  offer_input(1, 0, 16);
  type("x");
  console.on_doorbell(kTx);
  EXPECT_EQ(out.text, "");
  EXPECT_EQ(tx.used_index(), 2);
  EXPECT_EQ(rx.take_used(), (FakeUsed{.id = 0, .length = 0}));
  EXPECT_EQ(rx.take_used(), (FakeUsed{.id = 1, .length = 1}));
}

TEST_F(VirtioConsoleTest, ARequestThatShrinksWhileItWaitsIsGivenBack) {
  start();
  out.room = 5;
  offer_output(0, 0, "0123456789");
  console.on_doorbell(kTx);
  tx.set_chain(0, {{.address = kBuffers.value, .length = 3}});
  out.room = SIZE_MAX;
  console.on_output_room();
  EXPECT_EQ(out.text, "01234");
  EXPECT_EQ(tx.used_index(), 1);
  offer_output(1, 0, "next");
  console.on_doorbell(kTx);
  EXPECT_EQ(out.text, "01234next");
}

TEST_F(VirtioConsoleTest, ABrokenQueueLeavesTheOtherAlone) {
  start();
  tx.set_chain(0, {{.address = 0x1000, .length = 16}});
  tx.offer(0);
  console.on_doorbell(kTx);
  console.on_output_room();
  EXPECT_GE(side.resets_needed, 1);
  EXPECT_EQ(out.text, "");
  offer_input(0, 0, 16);
  type("alive");
  EXPECT_EQ(rx.take_used(), (FakeUsed{.id = 0, .length = 5}));
}

TEST_F(VirtioConsoleTest, InputGoesIntoBuffersAsTheyAre) {
  start();
  offer_input(0, 0, 4);
  offer_input(1, 64, 16);
  offer_input(2, 128, 16);
  type("hello, world");
  EXPECT_EQ(rx.take_used(), (FakeUsed{.id = 0, .length = 4}));
  EXPECT_EQ(rx.take_used(), (FakeUsed{.id = 1, .length = 8}));
  EXPECT_FALSE(rx.take_used());
  EXPECT_EQ(get(0, 4) + get(64, 8), "hello, world");
  EXPECT_EQ(side.queue_interrupts, 1);
  type("!");
  EXPECT_EQ(rx.take_used(), (FakeUsed{.id = 2, .length = 1}));
}

TEST_F(VirtioConsoleTest, InputWithoutBuffersWaitsForThem) {
  start();
  type(std::string(100, 'a'));
  EXPECT_EQ(in.waiting.size(), 100U);
  for (uint16_t round = 0; round < 10; ++round) {
    offer_input(0, 0, 10);
    console.on_doorbell(kRx);
    EXPECT_EQ(rx.take_used(), (FakeUsed{.id = 0, .length = 10}));
  }
  offer_input(0, 0, 10);
  console.on_doorbell(kRx);
  EXPECT_FALSE(rx.take_used());
}

TEST_F(VirtioConsoleTest, InputFromBeforeTheDriverIsThere) {
  type("early");
  EXPECT_EQ(in.waiting, "early");
  offer_input(0, 0, 16);
  start();
  ASSERT_TRUE(doorbell_rings(kRx));
  console.on_doorbell(kRx);
  EXPECT_EQ(rx.take_used(), (FakeUsed{.id = 0, .length = 5}));
}

TEST_F(VirtioConsoleTest, OthersGetInputOnlyWithoutADriver) {
  std::array<std::byte, 4> taken{};
  in.waiting = "12345678";
  EXPECT_EQ(console.input_without_driver().read(taken), 4U);
  start();
  EXPECT_EQ(console.input_without_driver().read(taken), 0U);
  EXPECT_EQ(in.waiting, "5678");
  console.stop();
  EXPECT_EQ(console.input_without_driver().read(taken), 4U);
}

TEST_F(VirtioConsoleTest, StopTakesTheLastWords) {
  start();
  offer_output(0, 0, "last words");
  console.stop();
  EXPECT_EQ(out.text, "last words");
  offer_output(1, 0, "too late");
  console.on_doorbell(kTx);
  console.on_output_room();
  console.on_console_input();
  EXPECT_EQ(out.text, "last words");
}

TEST_F(VirtioConsoleTest, StopDoesNotWaitForRoom) {
  start();
  out.room = 4;
  offer_output(0, 0, "last words");
  console.stop();
  EXPECT_EQ(out.text, "last");
  EXPECT_EQ(console.state(), VirtioConsoleState{.sent = 4}) << "it may go on from here";
  console.reset();
  EXPECT_EQ(console.state(), VirtioConsoleState{}) << "the next driver's first request would be cut";
}

TEST_F(VirtioConsoleTest, SizeIsToldWhenItChanges) {
  console.set_size({.columns = 80, .rows = 24});
  EXPECT_EQ(config<uint16_t>(0), 80);
  EXPECT_EQ(config<uint16_t>(2), 24);
  EXPECT_EQ(side.config_changes, 0);
  start();
  console.set_size({.columns = 80, .rows = 24});
  EXPECT_EQ(side.config_changes, 0);
  console.set_size({.columns = 132, .rows = 50});
  EXPECT_EQ(side.config_changes, 1);
  EXPECT_EQ(config<uint32_t>(0), 132U | 50U << 16);
  EXPECT_EQ(config<uint64_t>(4), 0U);
  EXPECT_EQ(config<uint64_t>(11), 0U);
  EXPECT_EQ(config<uint64_t>(UINT64_MAX), 0U);
}

TEST_F(VirtioConsoleTest, SizeIsOfferedOnlyWhereThereIsOne) {
  VirtioConsole without{{.out = out, .in = in, .has_size = false}};
  EXPECT_EQ(console.features() & 1, 1U);
  EXPECT_EQ(without.features() & 1, 0U);
  EXPECT_EQ(console.features() & 2, 0U) << "several ports";
}

TEST_F(VirtioConsoleTest, EmergencyWriteNeedsNoDriver) {
  const uint32_t character = 'P';
  console.write_config(8, std::as_bytes(std::span{&character, 1}));
  EXPECT_EQ(out.text, "P");
  console.write_config(0, std::as_bytes(std::span{&character, 1}));
  console.write_config(9, std::as_bytes(std::span{&character, 1}));
  console.write_config(UINT64_MAX, std::as_bytes(std::span{&character, 1}));
  EXPECT_EQ(out.text, "P");
  out.room = 0;
  console.write_config(8, std::as_bytes(std::span{&character, 1}));
  EXPECT_EQ(out.text, "P");
}

TEST_F(VirtioConsoleTest, StateMakesARoundTrip) {
  start();
  out.room = 5;
  offer_output(0, 0, "0123456789");
  console.on_doorbell(kTx);
  console.stop();
  const VirtioConsoleState state = console.state();
  EXPECT_EQ(state, (VirtioConsoleState{.sent = 5}));
  NarrowSink later;
  VirtioConsole copy{{.out = later, .in = in}};
  copy.restore(state);
  EXPECT_EQ(copy.state(), state);
  start(copy, true);
  copy.on_doorbell(kTx);
  EXPECT_EQ(later.text, "56789");
}

}  // namespace
}  // namespace rvvmm::virtio_console_test

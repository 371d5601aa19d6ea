#include "devices/virtio/virtqueue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <utility>

#include "fakes/fake_virtio_driver.hpp"

namespace rvvmm::virtqueue_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kRamSize = 64_MiB;
constexpr uint16_t kSize = 8;
constexpr uint64_t kBuffers = kRam.value + 0x2000;
constexpr Gpa kTable = kRam + 0x4000;

class VirtqueueTest : public ::testing::Test {
 protected:
  void use(Virtqueue::Options options = {}) {
    std::string_view why;
    queue = Virtqueue::create(memory, driver->layout(), options, why);
    ASSERT_TRUE(queue) << why;
  }
  static FakeDescriptor buffer(unsigned number, uint32_t length, uint16_t flags = 0) {
    return {.address = kBuffers + uint64_t{number} * 0x100, .length = length, .flags = flags};
  }
  /// A table of `entries` at kTable, linked one behind the other, and the descriptor that refers to it.
  FakeDescriptor table(std::vector<FakeDescriptor> entries, uint16_t flags = 0) {
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i + 1 < entries.size()) {
        entries[i].flags |= kDescNext;
        entries[i].next = static_cast<uint16_t>(i + 1);
      }
      memory.store(kTable + i * sizeof(FakeDescriptor), entries[i]);
    }
    return {.address = kTable.value,
            .length = static_cast<uint32_t>(entries.size() * sizeof(FakeDescriptor)),
            .flags = static_cast<uint16_t>(flags | kDescIndirect)};
  }
  uint64_t guest_address(const iovec& buffer) const {
    return kRam.value + static_cast<uint64_t>(static_cast<std::byte*>(buffer.iov_base) - memory.bytes().data());
  }
  void offer_and_pop() {
    driver->offer(0);
    ASSERT_TRUE(queue->pop(chain)) << queue->broken();
  }

  const GuestMemory memory{kRam, kRamSize};
  std::optional<FakeDriverQueue> driver{std::in_place, memory, kRam, kSize};
  std::optional<Virtqueue> queue;
  DescriptorChain chain;
};

// Where a queue may lie.

std::string why_not(const GuestMemory& memory, const VirtqueueLayout& layout) {
  std::string_view why;
  const auto queue = Virtqueue::create(memory, layout, {}, why);
  EXPECT_EQ(queue.has_value(), why.empty());
  return std::string{why};
}

TEST_F(VirtqueueTest, SizesArePowersOfTwoUpTo1024) {
  VirtqueueLayout layout{.size = 0, .descriptors = kRam, .driver_area = kRam + 0x8000, .device_area = kRam + 0xA000};
  for (uint32_t size = 0; size <= UINT16_MAX; ++size) {
    layout.size = static_cast<uint16_t>(size);
    const bool right = std::has_single_bit(size) && size <= 1024;
    EXPECT_EQ(why_not(memory, layout), right ? "" : "its size is not a power of two up to 1024") << size;
  }
}

TEST_F(VirtqueueTest, RingsAreAligned) {
  const VirtqueueLayout right = driver->layout();
  for (uint64_t off = 0; off < 16; ++off) {
    VirtqueueLayout layout = right;
    layout.descriptors = right.descriptors + off;
    EXPECT_EQ(why_not(memory, layout), off == 0 ? "" : "a ring is not aligned") << off;
    layout = right;
    layout.driver_area = right.driver_area + off;
    EXPECT_EQ(why_not(memory, layout), off % 2 == 0 ? "" : "a ring is not aligned") << off;
    layout = right;
    layout.device_area = right.device_area + off;
    EXPECT_EQ(why_not(memory, layout), off % 4 == 0 ? "" : "a ring is not aligned") << off;
  }
}

struct RingExtent {
  Gpa VirtqueueLayout::* place;
  uint64_t bytes;
  uint64_t alignment;
};

TEST_F(VirtqueueTest, RingsLieInRamToTheirLastByte) {
  // The available and the used ring with the index for events behind their entries: 2.7.
  for (const auto& [place, bytes, alignment] : {RingExtent{&VirtqueueLayout::descriptors, 16 * kSize, 16},
                                                RingExtent{&VirtqueueLayout::driver_area, 6 + 2 * kSize, 2},
                                                RingExtent{&VirtqueueLayout::device_area, 6 + 8 * kSize, 4}}) {
    VirtqueueLayout layout = driver->layout();
    layout.*place = Gpa{align_down(kRam.value + kRamSize - bytes, alignment)};
    EXPECT_EQ(why_not(memory, layout), "");
    layout.*place = layout.*place + alignment;
    EXPECT_EQ(why_not(memory, layout), "a ring is not in RAM");
    for (const uint64_t outside : {uint64_t{0}, kRam.value - 16, kRam.value + kRamSize, UINT64_MAX - 15}) {
      layout.*place = Gpa{outside};
      EXPECT_EQ(why_not(memory, layout), "a ring is not in RAM") << std::hex << outside;
    }
  }
}

// Right use.

TEST_F(VirtqueueTest, AnEmptyQueueHasNoRequest) {
  use();
  EXPECT_FALSE(queue->pop(chain));
  EXPECT_EQ(queue->broken(), "");
}

TEST_F(VirtqueueTest, AChainIsWhatTheDriverLinked) {
  use();
  driver->set_descriptor(5, {.address = kBuffers, .length = 16, .flags = kDescNext, .next = 2});
  driver->set_descriptor(2, {.address = kBuffers + 0x100, .length = 32, .flags = kDescNext, .next = 7});
  driver->set_descriptor(7, {.address = kBuffers + 0x200, .length = 512, .flags = kDescWrite | kDescNext, .next = 0});
  driver->set_descriptor(0, {.address = kBuffers + 0x400, .length = 1, .flags = kDescWrite, .next = 5});
  driver->offer(5);
  ASSERT_TRUE(queue->pop(chain));
  ASSERT_EQ(chain.readable().size(), 2U);
  ASSERT_EQ(chain.writable().size(), 2U);
  EXPECT_EQ(guest_address(chain.readable()[0]), kBuffers);
  EXPECT_EQ(chain.readable()[0].iov_len, 16U);
  EXPECT_EQ(guest_address(chain.readable()[1]), kBuffers + 0x100);
  EXPECT_EQ(chain.readable()[1].iov_len, 32U);
  EXPECT_EQ(guest_address(chain.writable()[0]), kBuffers + 0x200);
  EXPECT_EQ(chain.writable()[0].iov_len, 512U);
  EXPECT_EQ(guest_address(chain.writable()[1]), kBuffers + 0x400);
  EXPECT_EQ(chain.writable()[1].iov_len, 1U);
  EXPECT_EQ(chain.readable_bytes(), 48U);
  EXPECT_EQ(chain.writable_bytes(), 513U);
  EXPECT_FALSE(queue->pop(chain)) << "one request was offered";
}

TEST_F(VirtqueueTest, ABufferMayBeAllOfRamOrNothing) {
  use();
  driver->set_chain(0, {{.address = kRam.value, .length = kRamSize},
                        {.address = kRam.value + kRamSize, .length = 0},
                        {.address = kRam.value + kRamSize - 1, .length = 1, .flags = kDescWrite}});
  offer_and_pop();
  EXPECT_EQ(chain.readable_bytes(), kRamSize);
  EXPECT_EQ(chain.writable_bytes(), 1U);
}

TEST_F(VirtqueueTest, AChainMayHaveAsManyBuffersAsTheQueue) {
  use();
  std::vector<FakeDescriptor> buffers;
  for (unsigned i = 0; i < kSize; ++i)
    buffers.push_back(buffer(i, 4, kDescWrite));
  driver->set_chain(0, buffers);
  offer_and_pop();
  EXPECT_EQ(chain.writable().size(), kSize);
}

TEST_F(VirtqueueTest, AQueueOfOneDescriptorWorks) {
  driver.emplace(memory, kRam, 1);
  use({.indirect = true, .event_idx = true});
  driver->set_chain(0, {buffer(0, 8, kDescWrite)});
  for (int i = 0; i < 3; ++i) {
    offer_and_pop();
    queue->push(chain, 8);
    EXPECT_EQ(driver->take_used(), (FakeUsed{.id = 0, .length = 8}));
  }
}

TEST_F(VirtqueueTest, TheLargestQueueWorks) {
  driver.emplace(memory, kRam + 0x10000, Virtqueue::kLargestSize);
  use();
  std::vector<FakeDescriptor> buffers(Virtqueue::kLargestSize, buffer(0, 8));
  driver->set_chain(0, buffers);
  offer_and_pop();
  EXPECT_EQ(chain.readable().size(), Virtqueue::kLargestSize);
}

TEST_F(VirtqueueTest, IndicesWrapAtTheRingsEndAndAt65536) {
  use();
  for (uint16_t i = 0; i < kSize; ++i)
    driver->set_descriptor(i, buffer(i, i + 1U));
  for (uint32_t request = 0; request < 66'000; ++request) {
    const auto head = static_cast<uint16_t>(request * 3 % kSize);
    driver->offer(head);
    ASSERT_TRUE(queue->pop(chain)) << request;
    ASSERT_EQ(chain.readable_bytes(), head + 1U) << request;
    ASSERT_FALSE(queue->pop(chain)) << request;
    queue->push(chain, request);
    ASSERT_EQ(driver->take_used(), (FakeUsed{.id = head, .length = request})) << request;
  }
}

TEST_F(VirtqueueTest, RequestsMayEndInAnyOrder) {
  use();
  std::array<DescriptorChain, kSize> chains;
  for (uint16_t i = 0; i < kSize; ++i) {
    driver->set_descriptor(i, buffer(i, i + 1U));
    driver->offer(i);
  }
  for (uint16_t i = 0; i < kSize; ++i) {
    ASSERT_TRUE(queue->pop(chains[i]));
    EXPECT_EQ(chains[i].readable_bytes(), i + 1U);
  }
  EXPECT_FALSE(driver->take_used()) << "none is done";
  for (const uint16_t i : std::array<uint16_t, kSize>{3, 0, 7, 1, 2, 6, 5, 4}) {
    queue->push(chains[i], 100U + i);
    EXPECT_EQ(driver->take_used(), (FakeUsed{.id = i, .length = 100U + i}));
  }
}

TEST_F(VirtqueueTest, ARequestThatWasGivenBackComesAgain) {
  use();
  driver->set_descriptor(0, buffer(0, 1));
  driver->set_descriptor(1, buffer(1, 2));
  driver->offer(0);
  driver->offer(1);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(queue->pop(chain));
    EXPECT_EQ(chain.readable_bytes(), 1U);
    queue->undo_pop();
  }
  EXPECT_EQ(queue->state(), VirtqueueState{});
  ASSERT_TRUE(queue->pop(chain));
  ASSERT_TRUE(queue->pop(chain));
  EXPECT_EQ(chain.readable_bytes(), 2U);
}

TEST_F(VirtqueueTest, SeveralRequestsAreGivenBackInTheirOrder) {
  use();
  queue->set_state({.next_available = 0xFFFE, .next_used = 0xFFFE});
  driver->set_available_index(0xFFFE);
  for (uint16_t i = 0; i < 4; ++i) {
    driver->set_descriptor(i, buffer(i, i + 1U));
    driver->offer(i);
  }
  for (int i = 0; i < 4; ++i)
    ASSERT_TRUE(queue->pop(chain));
  queue->undo_pop(3);
  ASSERT_TRUE(queue->pop(chain));
  EXPECT_EQ(chain.readable_bytes(), 2U);
  EXPECT_EQ(queue->state(), (VirtqueueState{.next_available = 0, .next_used = 0xFFFE}));
}

TEST_F(VirtqueueTest, RequestsPushedUnseenAppearTogether) {
  use();
  std::array<DescriptorChain, 2> chains;
  for (uint16_t i = 0; i < 2; ++i) {
    driver->set_descriptor(i, buffer(i, 16, kDescWrite));
    driver->offer(i);
    ASSERT_TRUE(queue->pop(chains[i]));
  }
  queue->push_unseen(chains[0], 16);
  queue->push_unseen(chains[1], 5);
  EXPECT_FALSE(driver->take_used());
  queue->show_pushed();
  EXPECT_TRUE(queue->wants_interrupt());
  EXPECT_EQ(driver->take_used(), (FakeUsed{.id = 0, .length = 16}));
  EXPECT_EQ(driver->take_used(), (FakeUsed{.id = 1, .length = 5}));
}

TEST_F(VirtqueueTest, AChainIsFilledAnewByEachPop) {
  use();
  driver->set_chain(0, {buffer(0, 4), buffer(1, 4), buffer(2, 4, kDescWrite)});
  driver->set_descriptor(4, buffer(4, 1, kDescWrite));
  driver->offer(0);
  driver->offer(4);
  ASSERT_TRUE(queue->pop(chain));
  ASSERT_TRUE(queue->pop(chain));
  EXPECT_TRUE(chain.readable().empty());
  ASSERT_EQ(chain.writable().size(), 1U);
  EXPECT_EQ(chain.readable_bytes(), 0U);
  EXPECT_EQ(chain.writable_bytes(), 1U);
}

// Indirect descriptors: 2.7.5.3.

TEST_F(VirtqueueTest, AnIndirectTableIsTheChain) {
  use({.indirect = true});
  driver->set_descriptor(0, table({buffer(0, 16), buffer(1, 32), buffer(2, 64, kDescWrite)}));
  offer_and_pop();
  EXPECT_EQ(chain.readable_bytes(), 48U);
  EXPECT_EQ(chain.writable_bytes(), 64U);
  queue->push(chain, 64);
  EXPECT_EQ(driver->take_used(), (FakeUsed{.id = 0, .length = 64}));
}

TEST_F(VirtqueueTest, AnIndirectTableMayEndAChain) {
  use({.indirect = true});
  driver->set_chain(2, {buffer(0, 1), buffer(1, 2), table({buffer(2, 4), buffer(3, 8, kDescWrite)})});
  driver->offer(2);
  ASSERT_TRUE(queue->pop(chain)) << queue->broken();
  EXPECT_EQ(chain.readable_bytes(), 7U);
  EXPECT_EQ(chain.writable_bytes(), 8U);
  queue->push(chain, 0);
  EXPECT_EQ(driver->take_used(), (FakeUsed{.id = 2, .length = 0}));
}

TEST_F(VirtqueueTest, AnIndirectTableMayLieAnywhere) {
  for (uint64_t off = 0; off < 16; ++off) {
    use({.indirect = true});
    driver->set_available_index(0);
    memory.store(kTable + off, FakeDescriptor{.address = kBuffers, .length = 16, .flags = kDescNext, .next = 1});
    memory.store(kTable + off + 16,
                 FakeDescriptor{.address = kBuffers + 0x100, .length = 0x12345, .flags = kDescWrite});
    driver->set_descriptor(0, {.address = kTable.value + off, .length = 32, .flags = kDescIndirect});
    offer_and_pop();
    EXPECT_EQ(chain.readable_bytes(), 16U) << off;
    EXPECT_EQ(chain.writable_bytes(), 0x12345U) << off;
    EXPECT_EQ(guest_address(chain.writable()[0]), kBuffers + 0x100) << off;
  }
}

TEST_F(VirtqueueTest, TheWriteFlagOfATableMeansNothing) {
  use({.indirect = true});
  driver->set_descriptor(0, table({buffer(0, 16)}, kDescWrite));
  offer_and_pop();
  EXPECT_EQ(chain.readable_bytes(), 16U);
}

TEST_F(VirtqueueTest, AnIndirectTableMayHaveAsManyBuffersAsTheQueueAndSpareEntries) {
  use({.indirect = true});
  FakeDescriptor whole = table(std::vector<FakeDescriptor>(kSize, buffer(0, 8)));
  whole.length += 16 * 100;
  driver->set_descriptor(3, whole);
  driver->offer(3);
  ASSERT_TRUE(queue->pop(chain)) << queue->broken();
  EXPECT_EQ(chain.readable().size(), kSize);
}

TEST_F(VirtqueueTest, InAQueueThatTheDriverMadeSmallerAChainIsAsLongAsTheDevicesQueue) {
  for (const int longest : {2 * kSize, 2 * kSize - 1}) {
    driver->set_available_index(0);
    use({.indirect = true, .longest_chain = static_cast<uint16_t>(longest)});
    driver->set_descriptor(0, table(std::vector<FakeDescriptor>(2 * kSize, buffer(0, 8))));
    driver->offer(0);
    EXPECT_EQ(queue->pop(chain), longest == 2 * kSize);
    EXPECT_EQ(queue->broken(), longest == 2 * kSize ? "" : "a chain is longer than the queue, or loops");
  }
}

TEST_F(VirtqueueTest, AChainThatLoopsEndsHoweverLongItMayBe) {
  use({.longest_chain = 1024});
  FakeDescriptor loop = buffer(0, 8);
  loop.flags = kDescNext;
  driver->set_descriptor(0, loop);
  driver->offer(0);
  EXPECT_FALSE(queue->pop(chain));
  EXPECT_EQ(queue->broken(), "a chain is longer than the queue, or loops");
}

// What drivers get wrong.

TEST_F(VirtqueueTest, ChainsOfTheLargestSizeArePossibleAndNoMore) {
  // 64 buffers of the same 64 MiB.
  driver.emplace(memory, kRam, 64);
  std::vector<FakeDescriptor> buffers(64, FakeDescriptor{.address = kRam.value, .length = kRamSize});
  buffers[63].length -= 1;
  buffers[63].flags = kDescWrite;
  use();
  driver->set_chain(0, buffers);
  offer_and_pop();
  EXPECT_EQ(chain.readable_bytes() + chain.writable_bytes(), UINT32_MAX);
  buffers[63].length += 1;
  driver->set_chain(0, buffers);
  driver->offer(0);
  EXPECT_FALSE(queue->pop(chain));
  EXPECT_EQ(queue->broken(), "a chain has more than 2^32-1 bytes");
}

TEST_F(VirtqueueTest, MoreAvailableThanTheQueueHoldsBreaksIt) {
  for (const uint32_t ahead : {kSize + 1U, 2U * kSize, 0x8000U, 0xFFFFU}) {
    use();
    driver->set_descriptor(0, buffer(0, 1));
    driver->set_available_index(static_cast<uint16_t>(ahead));
    EXPECT_FALSE(queue->pop(chain));
    EXPECT_EQ(queue->broken(), "more requests are available than it has room for") << ahead;
  }
  use();
  driver->set_available_index(kSize);
  EXPECT_TRUE(queue->pop(chain)) << "as many as it has room for";
}

TEST_F(VirtqueueTest, AnAvailableIndexThatGoesBackBreaksIt) {
  use();
  driver->set_descriptor(0, buffer(0, 1));
  driver->offer(0);
  ASSERT_TRUE(queue->pop(chain));
  driver->set_available_index(0);
  EXPECT_FALSE(queue->pop(chain));
  EXPECT_EQ(queue->broken(), "more requests are available than it has room for");
}

struct WrongChain {
  std::string_view what;
  std::vector<FakeDescriptor> direct;    // from descriptor 0 on, as they are
  std::vector<FakeDescriptor> indirect;  // at kTable, as they are
  std::string_view why;
  bool negotiated = true;  // indirect descriptors
};

constexpr FakeDescriptor kGood{.address = kBuffers, .length = 64};
constexpr uint32_t kHuge = UINT32_MAX;
constexpr std::string_view kNoRam = "a buffer is not in RAM";
constexpr std::string_view kBeyond = "a descriptor's number is beyond its table";
constexpr std::string_view kBadTable = "an indirect table is not in RAM, or is not made of descriptors";
constexpr std::string_view kTooLong = "a chain is longer than the queue, or loops";

FakeDescriptor next(FakeDescriptor descriptor, uint16_t number) {
  descriptor.flags |= kDescNext;
  descriptor.next = number;
  return descriptor;
}
FakeDescriptor to_write(FakeDescriptor descriptor) {
  descriptor.flags |= kDescWrite;
  return descriptor;
}
FakeDescriptor table_of(uint32_t bytes) {
  return {.address = kTable.value, .length = bytes, .flags = kDescIndirect};
}
FakeDescriptor at(uint64_t address, uint32_t length) {
  return {.address = address, .length = length};
}

const std::vector<WrongChain>& wrong_chains() {
  constexpr uint64_t kEnd = kRam.value + kRamSize;
  static const std::vector<WrongChain> all{
      {"buffer at 0", {at(0, 1)}, {}, kNoRam},
      {"buffer one byte before RAM", {at(kRam.value - 1, 2)}, {}, kNoRam},
      {"buffer one byte beyond RAM", {at(kEnd - 1, 2)}, {}, kNoRam},
      {"buffer behind RAM", {at(kEnd, 1)}, {}, kNoRam},
      {"empty buffer outside RAM", {at(kEnd + 1, 0)}, {}, kNoRam},
      {"buffer of 2^32-1 bytes", {at(kRam.value, kHuge)}, {}, kNoRam},
      {"buffer that wraps to RAM", {at(UINT64_MAX - 0xFF, kHuge)}, {}, kNoRam},
      {"buffer at the very end of addresses", {at(UINT64_MAX, 1)}, {}, kNoRam},
      {"second buffer outside RAM", {next(kGood, 1), to_write(at(0, 1))}, {}, kNoRam},
      {"next beyond the table", {next(kGood, kSize)}, {}, kBeyond},
      {"next far beyond the table", {next(kGood, 0xFFFF)}, {}, kBeyond},
      {"readable behind writable", {next(to_write(kGood), 1), kGood}, {}, "a readable buffer follows a writable one"},
      {"loop of two", {next(kGood, 1), next(kGood, 0)}, {}, kTooLong},
      {"loop of writable ones", {next(to_write(kGood), 0)}, {}, kTooLong},
      {"loop of empty ones", {next(at(kBuffers, 0), 0)}, {}, kTooLong},
      {"indirect, not negotiated",
       {table_of(16)},
       {kGood},
       "a descriptor is indirect, which was not negotiated",
       false},
      {"indirect with a next one",
       {next(table_of(16), 1), kGood},
       {kGood},
       "a descriptor is indirect and has a next one"},
      {"indirect in indirect", {table_of(16)}, {table_of(16)}, "an indirect table holds an indirect descriptor"},
      {"indirect behind one in a table",
       {table_of(32)},
       {next(kGood, 1), table_of(16)},
       "an indirect table holds an indirect descriptor"},
      {"empty table", {table_of(0)}, {kGood}, kBadTable},
      {"table of half a descriptor", {table_of(8)}, {kGood}, kBadTable},
      {"table of one and a half", {table_of(24)}, {kGood}, kBadTable},
      {"table of 2^32-16 bytes", {table_of(kHuge - 15)}, {kGood}, kBadTable},
      {"table of 2^32-1 bytes", {table_of(kHuge)}, {kGood}, kBadTable},
      {"table that leaves RAM", {{.address = kEnd - 16, .length = 32, .flags = kDescIndirect}}, {}, kBadTable},
      {"table outside RAM", {{.address = 0x1000, .length = 16, .flags = kDescIndirect}}, {}, kBadTable},
      {"table that wraps", {{.address = UINT64_MAX - 15, .length = 32, .flags = kDescIndirect}}, {}, kBadTable},
      {"next beyond an indirect table", {table_of(16)}, {next(kGood, 1), kGood}, kBeyond},
      {"loop in a table", {table_of(16)}, {next(kGood, 0)}, kTooLong},
      {"bad buffer in a table", {table_of(16)}, {at(kEnd, 1)}, kNoRam},
      {"readable in a table behind writable",
       {next(to_write(kGood), 1), table_of(16)},
       {kGood},
       "a readable buffer follows a writable one"},
      {"a table that makes the chain one too long",
       {next(kGood, 1), table_of(16 * kSize)},
       {next(kGood, 1), next(kGood, 2), next(kGood, 3), next(kGood, 4), next(kGood, 5), next(kGood, 6), next(kGood, 7),
        kGood},
       kTooLong},
  };
  return all;
}

TEST_F(VirtqueueTest, EachWrongChainBreaksTheQueueAndSaysWhy) {
  for (const WrongChain& wrong : wrong_chains()) {
    SCOPED_TRACE(wrong.what);
    memory.discard();
    driver.emplace(memory, kRam, kSize);
    use({.indirect = wrong.negotiated});
    for (size_t i = 0; i < wrong.direct.size(); ++i)
      driver->set_descriptor(static_cast<uint16_t>(i), wrong.direct[i]);
    for (size_t i = 0; i < wrong.indirect.size(); ++i)
      memory.store(kTable + i * sizeof(FakeDescriptor), wrong.indirect[i]);
    driver->offer(0);
    EXPECT_FALSE(queue->pop(chain));
    EXPECT_EQ(queue->broken(), wrong.why);
    EXPECT_EQ(queue->state().next_available, 0) << "the wrong request was not taken";
  }
}

TEST_F(VirtqueueTest, AHeadBeyondTheTableBreaksIt) {
  for (const uint16_t head : {kSize, uint16_t{0xFFFF}}) {
    driver.emplace(memory, kRam, kSize);
    use();
    driver->offer(head);
    EXPECT_FALSE(queue->pop(chain));
    EXPECT_EQ(queue->broken(), kBeyond);
  }
}

TEST_F(VirtqueueTest, OnceBrokenItStaysSo) {
  use();
  driver->set_descriptor(0, at(0, 1));
  driver->offer(0);
  EXPECT_FALSE(queue->pop(chain));
  driver->set_descriptor(0, buffer(0, 1));
  driver->offer(0);
  EXPECT_FALSE(queue->pop(chain));
  EXPECT_FALSE(queue->ask_for_kick()) << "there is nothing to come back for";
  EXPECT_EQ(queue->broken(), kNoRam);
}

TEST_F(VirtqueueTest, ARequestInHandCanStillBeGivenBackWhenTheNextOneBreaksTheQueue) {
  use();
  driver->set_descriptor(0, buffer(0, 1));
  driver->set_descriptor(1, at(0, 1));
  driver->offer(0);
  driver->offer(1);
  DescriptorChain first;
  ASSERT_TRUE(queue->pop(first));
  EXPECT_FALSE(queue->pop(chain));
  queue->push(first, 1);
  EXPECT_TRUE(queue->wants_interrupt());
  EXPECT_EQ(driver->take_used(), (FakeUsed{.id = 0, .length = 1}));
}

// Interrupts: 2.7.7 and 2.7.10 say when the driver wants one.

class VirtqueueNotifications : public VirtqueueTest {
 protected:
  void SetUp() override { driver->set_descriptor(0, buffer(0, 1)); }
  void serve(unsigned requests) {
    for (; requests > 0; --requests) {
      offer_and_pop();
      queue->push(chain, 0);
    }
  }
  void begin_at(uint16_t index) {
    queue->set_state({.next_available = index, .next_used = index});
    driver->set_available_index(index);
  }
};

TEST_F(VirtqueueNotifications, OneInterruptForWhatWasPushed) {
  use();
  EXPECT_FALSE(queue->wants_interrupt()) << "nothing is done";
  serve(3);
  EXPECT_TRUE(queue->wants_interrupt());
  EXPECT_FALSE(queue->wants_interrupt()) << "nothing more is done";
}

TEST_F(VirtqueueNotifications, ByFlagADriverWantsNone) {
  use();
  driver->set_driver_flags(1);
  serve(1);
  EXPECT_FALSE(queue->wants_interrupt());
  driver->set_driver_flags(0);
  EXPECT_FALSE(queue->wants_interrupt()) << "that request was asked for before";
  serve(1);
  EXPECT_TRUE(queue->wants_interrupt());
  driver->set_driver_flags(0xFFFE);
  serve(1);
  EXPECT_TRUE(queue->wants_interrupt()) << "only bit 0 counts";
}

TEST_F(VirtqueueNotifications, ByEventIndexOneComesWhenThatRequestIsDone) {
  use({.event_idx = true});
  driver->set_driver_flags(1);  // means nothing now
  driver->set_used_event(2);    // the third request
  serve(1);
  EXPECT_FALSE(queue->wants_interrupt());
  serve(1);
  EXPECT_FALSE(queue->wants_interrupt());
  serve(1);
  EXPECT_TRUE(queue->wants_interrupt());
  serve(1);
  EXPECT_FALSE(queue->wants_interrupt()) << "the driver named no other";
}

TEST_F(VirtqueueNotifications, ByEventIndexABatchThatPassesItIsEnough) {
  use({.event_idx = true});
  driver->set_used_event(2);
  serve(7);
  EXPECT_TRUE(queue->wants_interrupt());
  driver->set_used_event(6);
  serve(5);
  EXPECT_FALSE(queue->wants_interrupt()) << "that one was done before";
}

TEST_F(VirtqueueNotifications, ByEventIndexEachIndexIsRightAcrossTheWrap) {
  use({.event_idx = true});
  for (const unsigned requests : {1U, 3U, 8U}) {
    for (int start = 0xFFF4; start <= 0x1000C; ++start) {
      for (int event = start - 4; event < start + 12; ++event) {
        begin_at(static_cast<uint16_t>(start));
        driver->set_used_event(static_cast<uint16_t>(event));
        serve(requests);
        const bool passed = event >= start && event < start + static_cast<int>(requests);
        ASSERT_EQ(queue->wants_interrupt(), passed) << start << " " << requests << " " << event;
      }
    }
  }
}

// Kicks, the other way round.

TEST_F(VirtqueueNotifications, ByFlagKicksAreDeclinedAndAskedFor) {
  use();
  queue->decline_kicks();
  EXPECT_EQ(driver->device_flags(), 1);
  EXPECT_FALSE(queue->ask_for_kick());
  EXPECT_EQ(driver->device_flags(), 0);
}

TEST_F(VirtqueueNotifications, ByEventIndexTheNextRequestIsTheOneToKickFor) {
  use({.event_idx = true});
  begin_at(0xFFFE);
  for (const int expected : {0xFFFF, 0x0000, 0x0001}) {
    serve(1);
    EXPECT_FALSE(queue->ask_for_kick());
    EXPECT_EQ(driver->available_event(), expected);
  }
  queue->decline_kicks();
  EXPECT_EQ(driver->device_flags(), 0) << "2.7.10: zero when event indices were negotiated";
  serve(1);
  EXPECT_EQ(driver->available_event(), 1) << "one that is behind asks for nothing";
}

TEST_F(VirtqueueNotifications, ARequestThatCameWhileKicksWereDeclinedIsSeen) {
  for (const bool event_idx : {false, true}) {
    driver.emplace(memory, kRam, kSize);
    driver->set_available_index(0);
    use({.event_idx = event_idx});
    queue->decline_kicks();
    driver->offer(0);
    EXPECT_TRUE(queue->ask_for_kick()) << event_idx;
    ASSERT_TRUE(queue->pop(chain));
    EXPECT_FALSE(queue->ask_for_kick()) << event_idx;
  }
}

TEST_F(VirtqueueNotifications, AQueueGoesOnFromItsState) {
  use();
  serve(5);
  offer_and_pop();
  const VirtqueueState saved = queue->state();
  EXPECT_EQ(saved, (VirtqueueState{.next_available = 6, .next_used = 5}));
  use();
  queue->set_state(saved);
  EXPECT_FALSE(queue->wants_interrupt()) << "nothing new is done";
  EXPECT_FALSE(queue->pop(chain));
  serve(1);
  EXPECT_EQ(driver->used_index(), 6);
  EXPECT_EQ(queue->state(), (VirtqueueState{.next_available = 7, .next_used = 6}));
}

// Copying to and from the buffers of a chain.

class BufferCopies : public ::testing::Test {
 protected:
  void SetUp() override {
    for (size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::byte>(i);
  }
  std::string read(uint64_t skip, size_t length) {
    std::vector<std::byte> out(length, std::byte{0xEE});
    const size_t copied = copy_from_buffers(buffers, skip, out);
    std::string text;
    for (size_t i = 0; i < copied; ++i)
      text += static_cast<char>('0' + std::to_integer<int>(out[i]));
    for (size_t i = copied; i < length; ++i)
      EXPECT_EQ(out[i], std::byte{0xEE});
    return text;
  }

  std::array<std::byte, 10> bytes{};
  std::array<iovec, 4> buffers{{{.iov_base = bytes.data(), .iov_len = 3},
                                {.iov_base = nullptr, .iov_len = 0},
                                {.iov_base = bytes.data() + 3, .iov_len = 1},
                                {.iov_base = bytes.data() + 4, .iov_len = 6}}};
};

TEST_F(BufferCopies, GoAcrossBuffersFromAnyByteOn) {
  const std::string all = "0123456789";
  for (size_t skip = 0; skip <= 11; ++skip) {
    for (size_t length = 0; length <= 12; ++length) {
      EXPECT_EQ(read(skip, length), skip < all.size() ? all.substr(skip, length) : "") << skip << "+" << length;
    }
  }
  EXPECT_EQ(read(UINT64_MAX, 1), "");
}

TEST_F(BufferCopies, WriteWhereReadReads) {
  for (size_t skip = 0; skip <= 11; ++skip) {
    for (size_t length = 0; length <= 12; ++length) {
      bytes = {};
      const std::vector<std::byte> in(length, std::byte{7});
      const size_t room = skip < 10 ? std::min<size_t>(length, 10 - skip) : 0;
      EXPECT_EQ(copy_to_buffers(buffers, skip, in), room);
      for (size_t i = 0; i < bytes.size(); ++i)
        EXPECT_EQ(bytes[i], std::byte{i >= skip && i < skip + room ? uint8_t{7} : uint8_t{0}}) << skip << "+" << length;
    }
  }
  EXPECT_EQ(copy_to_buffers(buffers, UINT64_MAX, std::array{std::byte{1}}), 0U);
}

TEST_F(BufferCopies, NoBuffersHoldNothing) {
  std::array<std::byte, 1> byte{};
  EXPECT_EQ(copy_from_buffers({}, 0, byte), 0U);
  EXPECT_EQ(copy_to_buffers({}, 0, byte), 0U);
}

}  // namespace
}  // namespace rvvmm::virtqueue_test

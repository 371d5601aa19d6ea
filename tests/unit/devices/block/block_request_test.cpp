#include "devices/block/block_request.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/falloc.h>
#include <linux/virtio_blk.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "fakes/fake_virtio_driver.hpp"
#include "fakes/temporary_image.hpp"

namespace rvvmm::block_request_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr Gpa kHeader = kRam + 0x1000;
constexpr Gpa kStatus = kRam + 0x1800;
constexpr Gpa kData = kRam + 0x2000;
constexpr int kPunch = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
constexpr int kZeroRange = FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE;

/// A request whose steps the test ends as a host might.
class BlockRequestTest : public ::testing::Test {
 protected:
  bool begin(uint32_t type, uint64_t sector, std::vector<FakeDescriptor> data) {
    memory.store(kHeader, virtio_blk_outhdr{.type = type, .ioprio = 0, .sector = sector});
    data.insert(data.begin(), {.address = kHeader.value, .length = sizeof(virtio_blk_outhdr)});
    data.push_back({.address = kStatus.value, .length = 1, .flags = kDescWrite});
    driver.set_chain(0, data);
    driver.offer(0);
    std::string_view why;
    if (!queue) queue = Virtqueue::create(memory, driver.layout(), {}, why);
    return queue->pop(request.chain()) && request.begin(image, rules);
  }
  uint8_t status() {
    request.finish();
    return *memory.load<uint8_t>(kStatus);
  }
  bool begin_write_zeroes(uint32_t flags) {
    memory.store(kData, virtio_blk_discard_write_zeroes{.sector = 1, .num_sectors = 256, .flags = flags});
    return begin(VIRTIO_BLK_T_WRITE_ZEROES, 0, {{.address = kData.value, .length = 16}});
  }

  const TemporaryImage file{64_MiB};
  DiskImage image{{.path = file.path()}};
  BlockRules rules{.serial = {}, .may_discard = true, .may_write_zeroes = true, .may_unmap = true};
  const GuestMemory memory{kRam, 16_MiB};
  FakeDriverQueue driver{memory, kRam, 16};
  std::optional<Virtqueue> queue;
  std::array<iovec, BlockRequest::kRoom> room{};
  BlockRequest request{room};
};

TEST_F(BlockRequestTest, AdjacentBuffersAreOne) {
  ASSERT_TRUE(begin(VIRTIO_BLK_T_OUT, 2,
                    {{.address = kData.value, .length = 4096},
                     {.address = kData.value + 4096, .length = 4096},
                     {.address = kData.value + 16384, .length = 4096}}));
  const auto step = request.next_step();
  ASSERT_TRUE(step);
  EXPECT_EQ(step->kind, DiskStep::Kind::kWrite);
  EXPECT_EQ(step->offset, 1024U);
  EXPECT_EQ(step->length, 12288U);
  ASSERT_EQ(step->buffers.size(), 2U);
  EXPECT_EQ(step->buffers[0].iov_len, 8192U);
  EXPECT_EQ(request.writes_up_to(), 1024U + 12288U);
}

TEST_F(BlockRequestTest, GoesOnWhereTheHostStopped) {
  ASSERT_TRUE(begin(VIRTIO_BLK_T_IN, 0,
                    {{.address = kData.value, .length = 1024, .flags = kDescWrite},
                     {.address = kData.value + 4096, .length = 1024, .flags = kDescWrite}}));
  ASSERT_TRUE(request.next_step());
  request.step_ended(1500);
  auto step = request.next_step();
  ASSERT_TRUE(step);
  EXPECT_EQ(step->offset, 1500U);
  EXPECT_EQ(step->length, 548U);
  EXPECT_EQ(static_cast<std::byte*>(step->buffers[0].iov_base), memory.slice(kData + 4096 + 476, 1)->data());
  // Not an error: the same once more.
  request.step_ended(-EINTR);
  step = request.next_step();
  ASSERT_TRUE(step);
  EXPECT_EQ(step->offset, 1500U);
  request.step_ended(548);
  EXPECT_FALSE(request.next_step());
  EXPECT_EQ(request.finish(), 2049U);
  EXPECT_EQ(request.host_error(), 0);
}

TEST_F(BlockRequestTest, NoStepMovesMoreThanItsLimit) {
  ASSERT_TRUE(begin(VIRTIO_BLK_T_IN, 0,
                    {{.address = kData.value, .length = 9U << 20, .flags = kDescWrite},
                     {.address = kData.value, .length = 3U << 20, .flags = kDescWrite},
                     {.address = kData.value, .length = 1U << 20, .flags = kDescWrite}}));
  uint64_t moved = 0;
  int steps = 0;
  while (const auto step = request.next_step()) {
    EXPECT_LE(step->length, BlockRequest::kMostBytesOfStep);
    EXPECT_EQ(step->offset, moved);
    moved += step->length;
    ++steps;
    request.step_ended(static_cast<int64_t>(step->length));
  }
  EXPECT_EQ(moved, 13_MiB);
  EXPECT_EQ(steps, 4);
}

TEST_F(BlockRequestTest, WithoutFlushEachWriteIsDurable) {
  rules.writethrough = true;
  ASSERT_TRUE(begin(VIRTIO_BLK_T_OUT, 0, {{.address = kData.value, .length = 512}}));
  EXPECT_EQ(request.next_step()->kind, DiskStep::Kind::kWrite);
  request.step_ended(512);
  ASSERT_TRUE(request.next_step());
  EXPECT_EQ(request.next_step()->kind, DiskStep::Kind::kSync);
  request.step_ended(0);
  EXPECT_FALSE(request.next_step());
  // Zeroes by fallocate(2) take a flush of their own.
  ASSERT_TRUE(begin_write_zeroes(0));
  EXPECT_EQ(request.next_step()->kind, DiskStep::Kind::kAllocate);
  request.step_ended(0);
  ASSERT_TRUE(request.next_step());
  EXPECT_EQ(request.next_step()->kind, DiskStep::Kind::kSync);
  request.step_ended(0);
  EXPECT_FALSE(request.next_step());
  EXPECT_EQ(status(), VIRTIO_BLK_S_OK);
}

TEST_F(BlockRequestTest, TellsWhichPartFailed) {
  const auto part = [this] { return std::pair{request.last_part().offset, request.last_part().length}; };
  ASSERT_TRUE(begin(VIRTIO_BLK_T_IN, 2, {{.address = kData.value, .length = 6U << 20, .flags = kDescWrite}}));
  EXPECT_EQ(part(), std::pair(1024UL, 6_MiB));
  ASSERT_TRUE(request.next_step());
  request.step_ended(4_MiB);
  ASSERT_TRUE(request.next_step());
  request.step_ended(-EIO);
  EXPECT_EQ(part(), std::pair(1024UL + 4_MiB, 2_MiB));
  // All of a write is there when its flush fails.
  rules.writethrough = true;
  ASSERT_TRUE(begin(VIRTIO_BLK_T_OUT, 2, {{.address = kData.value, .length = 512}}));
  ASSERT_TRUE(request.next_step());
  request.step_ended(512);
  ASSERT_TRUE(request.next_step());
  request.step_ended(-EIO);
  EXPECT_EQ(part(), std::pair(0UL, 0UL));
  ASSERT_TRUE(begin_write_zeroes(0));
  EXPECT_EQ(part(), std::pair(512UL, 131'072UL));
}

TEST_F(BlockRequestTest, WhatIsGivenUpIsAnErrorUnlessAllOfItIsDone) {
  const auto read = [this] {
    return begin(VIRTIO_BLK_T_IN, 0, {{.address = kData.value, .length = 6U << 20, .flags = kDescWrite}});
  };
  ASSERT_TRUE(read());
  ASSERT_TRUE(request.next_step());
  request.step_ended(4_MiB);
  request.give_up();
  EXPECT_FALSE(request.next_step());
  EXPECT_EQ(request.finish(), 4_MiB) << "what was read is there";
  EXPECT_EQ(status(), VIRTIO_BLK_S_IOERR);
  EXPECT_EQ(request.host_error(), 0) << "no fault of the host's";

  ASSERT_TRUE(read());
  ASSERT_TRUE(request.next_step());
  request.step_ended(4_MiB);
  ASSERT_TRUE(request.next_step());
  request.step_ended(2_MiB);
  request.give_up();
  EXPECT_EQ(status(), VIRTIO_BLK_S_OK);

  // A write that is not on the disk yet must not be told as one that is.
  rules.writethrough = true;
  ASSERT_TRUE(begin(VIRTIO_BLK_T_OUT, 0, {{.address = kData.value, .length = 512}}));
  ASSERT_TRUE(request.next_step());
  request.step_ended(512);
  request.give_up();
  EXPECT_FALSE(request.next_step());
  EXPECT_EQ(status(), VIRTIO_BLK_S_IOERR);

  memory.store(kData, virtio_blk_discard_write_zeroes{.sector = 0, .num_sectors = 8, .flags = 0});
  memory.store(kData + 16, virtio_blk_discard_write_zeroes{.sector = 16, .num_sectors = 8, .flags = 0});
  ASSERT_TRUE(begin(VIRTIO_BLK_T_DISCARD, 0, {{.address = kData.value, .length = 32}}));
  ASSERT_TRUE(request.next_step());
  request.step_ended(0);
  request.give_up();
  EXPECT_FALSE(request.next_step());
  EXPECT_EQ(status(), VIRTIO_BLK_S_IOERR);
}

TEST_F(BlockRequestTest, FlushIsAFlushOfTheHost) {
  ASSERT_TRUE(begin(VIRTIO_BLK_T_FLUSH, 0, {}));
  EXPECT_EQ(request.next_step()->kind, DiskStep::Kind::kSync);
  EXPECT_EQ(request.writes_up_to(), 0U);
  request.step_ended(-EIO);
  EXPECT_FALSE(request.next_step());
  EXPECT_EQ(request.host_error(), EIO);
  EXPECT_EQ(status(), VIRTIO_BLK_S_IOERR);
}

TEST_F(BlockRequestTest, ZeroesFallBackToWhatTheHostCanDo) {
  ASSERT_TRUE(begin_write_zeroes(VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP));
  EXPECT_EQ(request.next_step()->mode, kPunch);
  request.step_ended(-EOPNOTSUPP);
  EXPECT_EQ(request.next_step()->mode, kZeroRange);
  request.step_ended(-EINVAL);
  const auto step = request.next_step();
  ASSERT_TRUE(step);
  EXPECT_EQ(step->kind, DiskStep::Kind::kWrite);
  EXPECT_EQ(step->offset, 512U);
  EXPECT_EQ(step->length, 131'072U);
  EXPECT_EQ(image.run(*step), 131'072);
  request.step_ended(131'072);
  EXPECT_FALSE(request.next_step());
  EXPECT_EQ(status(), VIRTIO_BLK_S_OK);
  // Without the guest's leave nothing becomes a hole.
  ASSERT_TRUE(begin_write_zeroes(0));
  EXPECT_EQ(request.next_step()->mode, kZeroRange);
  request.step_ended(-ENOSPC);
  EXPECT_FALSE(request.next_step());
  EXPECT_EQ(request.host_error(), ENOSPC);
  EXPECT_EQ(status(), VIRTIO_BLK_S_IOERR);
}

TEST_F(BlockRequestTest, ZeroesCountAsMovedAndDiscardsDoNot) {
  // A stop waits for what is in hand, and the host may have to write each of these.
  ASSERT_TRUE(begin_write_zeroes(0));
  EXPECT_EQ(request.moved_bytes(), 131'072U);
  memory.store(kData, virtio_blk_discard_write_zeroes{.sector = 1, .num_sectors = 8, .flags = 0});
  ASSERT_TRUE(begin(VIRTIO_BLK_T_DISCARD, 0, {{.address = kData.value, .length = 16}}));
  EXPECT_EQ(request.moved_bytes(), 0U);
  EXPECT_EQ(request.last_part().length, 4096U);
}

TEST_F(BlockRequestTest, ADiscardThatTheHostCannotDoIsUnsupported) {
  memory.store(kData, virtio_blk_discard_write_zeroes{.sector = 1, .num_sectors = 8, .flags = 0});
  ASSERT_TRUE(begin(VIRTIO_BLK_T_DISCARD, 0, {{.address = kData.value, .length = 16}}));
  EXPECT_EQ(request.next_step()->mode, kPunch);
  request.step_ended(-EOPNOTSUPP);
  EXPECT_FALSE(request.next_step());
  EXPECT_EQ(request.host_error(), 0);
  EXPECT_EQ(status(), VIRTIO_BLK_S_UNSUPP);
}

TEST_F(BlockRequestTest, TheEndOfTheFileIsNoEndOfTheRequest) {
  ASSERT_TRUE(begin(VIRTIO_BLK_T_IN, 0, {{.address = kData.value, .length = 512, .flags = kDescWrite}}));
  ASSERT_TRUE(request.next_step());
  request.step_ended(0);
  EXPECT_FALSE(request.next_step());
  EXPECT_EQ(request.host_error(), BlockRequest::kShorter);
  EXPECT_EQ(request.finish(), 0U);
  EXPECT_EQ(*memory.load<uint8_t>(kStatus), VIRTIO_BLK_S_IOERR);
}

}  // namespace
}  // namespace rvvmm::block_request_test

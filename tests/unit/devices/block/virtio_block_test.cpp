#include "devices/block/virtio_block.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "fakes/fake_block_driver.hpp"
#include "fakes/temporary_image.hpp"

namespace rvvmm::virtio_block_test {
namespace {

/// Calls of fdatasync(2), and whether they wait.
std::atomic<int> syncs_begun = 0;
std::atomic<bool> hold_syncs = false;
/// Whether fallocate(2) is one of a file system that has none.
std::atomic<bool> refuse_holes = false;

}  // namespace
}  // namespace rvvmm::virtio_block_test

/// In the place of the C library's.
extern "C" int fdatasync(int fd) {
  using namespace rvvmm::virtio_block_test;
  ++syncs_begun;
  syncs_begun.notify_all();
  hold_syncs.wait(true);
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

extern "C" int fallocate(int fd, int mode, off_t offset, off_t length) {
  if (rvvmm::virtio_block_test::refuse_holes.load()) {
    errno = EOPNOTSUPP;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, length));
}

namespace rvvmm::virtio_block_test {
namespace {

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kFlush = uint64_t{1} << VIRTIO_BLK_F_FLUSH;
constexpr uint64_t kDiscard = uint64_t{1} << VIRTIO_BLK_F_DISCARD;
constexpr uint64_t kWriteZeroes = uint64_t{1} << VIRTIO_BLK_F_WRITE_ZEROES;
constexpr uint64_t kMultiQueue = uint64_t{1} << VIRTIO_BLK_F_MQ;
constexpr uint64_t kReadOnly = uint64_t{1} << VIRTIO_BLK_F_RO;
constexpr uint64_t kImageSize = 1_MiB;
constexpr uint64_t kSectors = kImageSize / 512;

using Answer = FakeBlockDriverQueue::Answer;
constexpr Answer kDone{.status = VIRTIO_BLK_S_OK, .length = 1};
constexpr Answer kUnsupported{.status = VIRTIO_BLK_S_UNSUPP, .length = 1};
constexpr Answer kError{.status = VIRTIO_BLK_S_IOERR, .length = 1};
constexpr Answer kReadError{.status = VIRTIO_BLK_S_IOERR, .length = 0};

/// Each test once with each way to do I/O. On a host without io_uring the second is the first again.
class VirtioBlockTest : public ::testing::TestWithParam<DiskEngine> {
 protected:
  void SetUp() override { syncs_begun.store(0); }
  VirtioBlock::Options options() const {
    return {.image = {.path = file.path()}, .serial = "serial-0", .engine = GetParam()};
  }
  /// A started device with all its queues.
  void make(const VirtioBlock::Options& options) {
    device = std::make_unique<VirtioBlock>(0, options);
    queues.clear();
    for (uint16_t number = 0; number < options.queues; ++number)
      queues.push_back(std::make_unique<FakeBlockDriverQueue>(memory, *device, number));
    start(device->features());
  }
  void start(uint64_t features, Virtqueue::Options queue_options = {}) {
    VirtioSession session{.queues = {}, .features = features | kVirtioVersion1, .driver = &side};
    std::string_view why;
    for (const auto& queue : queues) {
      queue->reset();
      session.queues.push_back(Virtqueue::create(memory, queue->rings().layout(), queue_options, why));
    }
    device->start(std::move(session));
  }
  void restart(uint64_t features, Virtqueue::Options queue_options = {}) {
    device->stop();
    start(features, queue_options);
  }
  FakeBlockDriverQueue& queue() { return *queues[0]; }
  FakeDescriptor to_write(uint64_t offset, uint32_t length) const {
    return {.address = queues[0]->data(offset), .length = length};
  }
  FakeDescriptor to_read(uint64_t offset, uint32_t length) const {
    return {.address = queues[0]->data(offset), .length = length, .flags = kDescWrite};
  }
  /// One range of a DISCARD or WRITE_ZEROES.
  FakeDescriptor range(uint64_t sector, uint32_t sectors, uint32_t flags = 0) {
    const virtio_blk_discard_write_zeroes range{.sector = sector, .num_sectors = sectors, .flags = flags};
    memory.store(Gpa{queue().data()}, range);
    return to_write(0, sizeof range);
  }
  bool wait_for_needs_reset() const {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (side.resets_needed == 0 && std::chrono::steady_clock::now() < limit)
      std::this_thread::yield();
    return side.resets_needed != 0;
  }
  bool becomes_quiet() const {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds{10};
    while (!device->is_quiet() && std::chrono::steady_clock::now() < limit)
      std::this_thread::yield();
    return device->is_quiet();
  }
  template <typename T>
  T config(size_t offset) {
    T value{};
    device->read_config(offset, std::as_writable_bytes(std::span{&value, 1}));
    return value;
  }

  const TemporaryImage file{kImageSize};
  uint64_t device_size = kImageSize;
  const GuestMemory memory{kRam, 4_MiB};
  FakeDriverSide side;
  std::unique_ptr<VirtioBlock> device;
  std::vector<std::unique_ptr<FakeBlockDriverQueue>> queues;
};

INSTANTIATE_TEST_SUITE_P(Engines, VirtioBlockTest, ::testing::Values(DiskEngine::kBlocking, DiskEngine::kRing),
                         [](const auto& tested) { return tested.param == DiskEngine::kRing ? "Ring" : "Blocking"; });

TEST_P(VirtioBlockTest, ReadsAndWritesTheImage) {
  make(options());
  file.write(512, std::string(1024, 'r'));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 1, {to_read(0, 1024)}), (Answer{.status = VIRTIO_BLK_S_OK, .length = 1025}));
  EXPECT_EQ(queue().get(0, 1024), std::string(1024, 'r'));
  queue().put(0, std::string(512, 'w'));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, kSectors - 1, {to_write(0, 512)}), kDone);
  EXPECT_EQ(file.read(kImageSize - 512, 512), std::string(512, 'w'));
  EXPECT_EQ(file.size(), kImageSize);
  EXPECT_GE(side.queue_interrupts, 2);
}

TEST_P(VirtioBlockTest, StoppedItSaysWhereItsQueuesStand) {
  make(options());
  for (int i = 0; i < 3; ++i)
    queue().ask(VIRTIO_BLK_T_IN, 1, {to_read(0, 512)});
  device->stop();
  EXPECT_EQ(device->stopped_at(0), (VirtqueueState{.next_available = 3, .next_used = 3}));
  EXPECT_EQ(device->stopped_at(VirtioBlock::kMostQueues), VirtqueueState{}) << "there is none";
}

TEST_P(VirtioBlockTest, BuffersMayLieAnywhere) {
  make(options());
  std::string bytes;
  for (int i = 0; i < 1024; ++i)
    bytes += static_cast<char>(i * 7);
  // Adjacent ones, one apart, an empty one and single bytes.
  queue().put(0, bytes.substr(0, 1000));
  queue().put(5000, bytes.substr(1000));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, 2,
                        {to_write(0, 1), to_write(1, 499), to_write(9, 0), to_write(500, 500), to_write(5000, 24)}),
            kDone);
  EXPECT_EQ(file.read(1024, 1024), bytes);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 2, {to_read(8000, 1023), to_read(7000, 1)}),
            (Answer{.status = VIRTIO_BLK_S_OK, .length = 1025}));
  EXPECT_EQ(queue().get(8000, 1023) + queue().get(7000, 1), bytes);
}

TEST_P(VirtioBlockTest, HeaderAndStatusMayShareDescriptorsWithData) {
  make(options());
  file.write(0, std::string(512, 'r'));
  // A read: the header in three parts, the status behind the data.
  const uint64_t at = queue().data();
  memory.store(Gpa{at}, virtio_blk_outhdr{.type = VIRTIO_BLK_T_IN, .ioprio = 0, .sector = 0});
  queue().rings().set_chain(0, {{.address = at, .length = 3},
                                {.address = at + 3, .length = 12},
                                {.address = at + 15, .length = 1},
                                {.address = at + 4096, .length = 513, .flags = kDescWrite}});
  EXPECT_EQ(queue().ask_chain(0, at + 4096 + 512), (Answer{.status = VIRTIO_BLK_S_OK, .length = 513}));
  EXPECT_EQ(queue().get(4096, 512), std::string(512, 'r'));
  // A write: header and data in one.
  memory.store(Gpa{at}, virtio_blk_outhdr{.type = VIRTIO_BLK_T_OUT, .ioprio = 0, .sector = 1});
  queue().put(16, std::string(512, 'w'));
  queue().rings().set_chain(0,
                            {{.address = at, .length = 528}, {.address = at + 4096, .length = 2, .flags = kDescWrite}});
  memory.store(Gpa{at + 4096}, uint16_t{0xEEEE});
  // The status is the last byte that may be written, even where one before it is left.
  EXPECT_EQ(queue().ask_chain(0, at + 4097), (Answer{.status = VIRTIO_BLK_S_OK, .length = 0}));
  EXPECT_EQ(memory.load<uint8_t>(Gpa{at + 4096}), 0xEE);
  EXPECT_EQ(file.read(512, 512), std::string(512, 'w'));
}

TEST_P(VirtioBlockTest, TakesIndirectTables) {
  make(options());
  restart(device->features(), {.indirect = true, .event_idx = true});
  file.write(512, std::string(512, 'i'));
  const uint64_t at = queue().data();
  memory.store(Gpa{at}, virtio_blk_outhdr{.type = VIRTIO_BLK_T_IN, .ioprio = 0, .sector = 1});
  const Gpa table{at + 1024};
  memory.store(table, FakeDescriptor{.address = at, .length = 16, .flags = kDescNext, .next = 1});
  memory.store(table + 16,
               FakeDescriptor{.address = at + 4096, .length = 512, .flags = kDescNext | kDescWrite, .next = 2});
  memory.store(table + 32, FakeDescriptor{.address = at + 8192, .length = 1, .flags = kDescWrite});
  queue().rings().set_chain(0, {{.address = table.value, .length = 48, .flags = kDescIndirect}});
  EXPECT_EQ(queue().ask_chain(0, at + 8192), (Answer{.status = VIRTIO_BLK_S_OK, .length = 513}));
  EXPECT_EQ(queue().get(4096, 512), std::string(512, 'i'));
}

TEST_P(VirtioBlockTest, OnlyWholeSectorsOfTheDiskAreMoved) {
  make(options());
  queue().put(0, std::string(4096, 'x'));
  for (const uint32_t length : {1U, 511U, 513U, 4095U}) {
    EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, 0, {to_write(0, length)}), kError) << length;
    EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 0, {to_read(0, length)}), kReadError) << length;
  }
  for (const uint64_t sector :
       {kSectors, kSectors - 1, kSectors + 1, UINT64_MAX / 512, UINT64_MAX / 512 + 1, UINT64_MAX - 1, UINT64_MAX}) {
    EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, sector, {to_write(0, 1024)}), kError) << sector;
    EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, sector, {to_read(0, 1024)}), kReadError) << sector;
  }
  EXPECT_EQ(file.read(0, kImageSize), std::string(kImageSize, '\0'));
  EXPECT_EQ(file.size(), kImageSize);
  EXPECT_EQ(queue().get(0, 4096), std::string(4096, 'x'));
  // Nothing at all is a whole number of sectors, and the disk's end is a place.
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, kSectors), kDone);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, kSectors + 1), kError);
}

TEST_P(VirtioBlockTest, FlushIsAnsweredAndUnknownRequestsAreUnsupported) {
  make(options());
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_FLUSH, 0), kDone);
  for (const uint32_t type : {2U, 3U, 5U, 14U, 16U, 0x8000'0000U, 0xFFFF'FFFFU})
    EXPECT_EQ(queue().ask(type, 0, {to_write(0, 512)}), kUnsupported) << type;
}

TEST_P(VirtioBlockTest, TellsItsSerialNumber) {
  make(options());
  queue().put(0, std::string(24, 'x'));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_GET_ID, 0, {to_read(0, 20)}), (Answer{.status = VIRTIO_BLK_S_OK, .length = 21}));
  EXPECT_EQ(queue().get(0, 24), "serial-0" + std::string(12, '\0') + "xxxx");
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_GET_ID, 0, {to_read(0, 19)}), kReadError);
}

TEST_P(VirtioBlockTest, AReadOnlyDiskIsNotWritten) {
  VirtioBlock::Options wanted = options();
  wanted.image.read_only = true;
  make(wanted);
  EXPECT_NE(device->features() & kReadOnly, 0U);
  EXPECT_EQ(device->features() & (kDiscard | kWriteZeroes), 0U);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, 0, {to_write(0, 512)}), kError);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, {range(0, 1)}), kUnsupported);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_FLUSH, 0), kDone);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 0, {to_read(0, 512)}).status, VIRTIO_BLK_S_OK);
}

TEST_P(VirtioBlockTest, WithoutFlushWritesAreAnsweredAllTheSame) {
  make(options());
  restart(device->features() & ~kFlush);
  queue().put(0, std::string(8192, 't'));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, 1, {to_write(0, 4096)}), kDone);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, 9, {to_write(0, 512), to_write(1024, 512)}), kDone);
  EXPECT_EQ(file.read(512, 5120), std::string(5120, 't'));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, {range(1, 8)}), kDone);
  EXPECT_EQ(file.read(512, 4096), std::string(4096, '\0'));
}

TEST_P(VirtioBlockTest, DiscardMakesHoles) {
  file.write(0, std::string(kImageSize, 'd'));
  VirtioBlock::Options wanted = options();
  wanted.discard = true;
  make(wanted);
  EXPECT_NE(device->features() & kDiscard, 0U);
  const uint64_t before = file.allocated();
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_DISCARD, 0, {range(8, 1024)}), kDone);
  EXPECT_LE(file.allocated(), before - 512_KiB);
  EXPECT_EQ(file.read(4096, 512_KiB), std::string(512_KiB, '\0'));
  EXPECT_EQ(file.read(0, 4096), std::string(4096, 'd'));
  EXPECT_EQ(file.read(4096 + 512_KiB, 4096), std::string(4096, 'd'));
  EXPECT_EQ(file.size(), kImageSize);
}

TEST_P(VirtioBlockTest, WhereTheHostMakesNoHolesNoneAreOffered) {
  VirtioBlock::Options wanted = options();
  wanted.discard = true;
  const auto offers_holes = [&] {
    make(wanted);
    const bool zeroes_may = config<uint8_t>(offsetof(virtio_blk_config, write_zeroes_may_unmap)) == 1;
    EXPECT_EQ(zeroes_may, (device->features() & kDiscard) != 0);
    return zeroes_may;
  };
  refuse_holes.store(true);
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(offers_holes());
  EXPECT_NE(
      ::testing::internal::GetCapturedStderr().find(
          "--disk " + file.path() +
          ": discard=unmap: the host cannot make holes in it (its file system or device has none); the guest's disk "
          "has no discard"),
      std::string::npos);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_DISCARD, 0, {range(8, 8)}), kUnsupported);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, {range(8, 8, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)}), kDone);
  device.reset();
  wanted.discard = false;  // nobody asks, and nobody is told
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(offers_holes());
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  device.reset();
  refuse_holes.store(false);
  wanted.discard = true;
  EXPECT_TRUE(offers_holes());
  EXPECT_EQ(file.size(), kImageSize) << "asking changes nothing";
}

TEST_P(VirtioBlockTest, ZeroesAreWrittenAndHolesMadeOnlyWhereBothWantThem) {
  file.write(0, std::string(kImageSize, 'd'));
  make(options());
  const uint64_t before = file.allocated();
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, {range(1, 1000)}), kDone);
  EXPECT_EQ(file.read(512, 512'000), std::string(512'000, '\0'));
  EXPECT_EQ(file.read(0, 512), std::string(512, 'd'));
  EXPECT_EQ(file.read(512 + 512'000, 512), std::string(512, 'd'));
  // The guest may, but the user did not say so.
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, {range(8, 1024, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)}), kDone);
  EXPECT_EQ(file.allocated(), before);
  device.reset();
  VirtioBlock::Options wanted = options();
  wanted.discard = true;
  make(wanted);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, {range(8, 1024)}), kDone);
  EXPECT_EQ(file.allocated(), before);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, {range(8, 1024, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)}), kDone);
  EXPECT_LE(file.allocated(), before - 512_KiB);
  EXPECT_EQ(file.read(0, 8192), std::string(512, 'd') + std::string(8192 - 512, '\0'));
}

TEST_P(VirtioBlockTest, RangesAreCheckedBeforeAnyIsTouched) {
  file.write(0, std::string(kImageSize, 'd'));
  VirtioBlock::Options wanted = options();
  wanted.discard = true;
  make(wanted);
  const auto discard = [this](std::vector<FakeDescriptor> data) {
    return queue().ask(VIRTIO_BLK_T_DISCARD, 0, std::move(data));
  };
  EXPECT_EQ(discard({}), kError);
  EXPECT_EQ(discard({to_write(0, 15)}), kError);
  EXPECT_EQ(discard({to_write(0, 17)}), kError);
  EXPECT_EQ(discard({to_write(0, 16 * (kMostDiscardRanges + 1))}), kError);
  EXPECT_EQ(discard({range(kSectors, 1)}), kError);
  EXPECT_EQ(discard({range(UINT64_MAX, 2)}), kError);
  EXPECT_EQ(discard({range(UINT64_MAX / 512 + 1, 8)}), kError);
  EXPECT_EQ(discard({range(0, UINT32_MAX)}), kError);
  EXPECT_EQ(discard({range(0, 8, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP)}), kUnsupported);
  EXPECT_EQ(discard({range(0, 8, 2)}), kUnsupported);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, {range(0, 8, 2)}), kUnsupported);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, {range(0, 8), range(0, 8)}), kError);
  // A good one before a bad one.
  memory.store(Gpa{queue().data(16)},
               virtio_blk_discard_write_zeroes{.sector = kSectors, .num_sectors = 1, .flags = 0});
  EXPECT_EQ(discard({range(0, 8), to_write(16, 16)}), kError);
  EXPECT_EQ(file.read(0, kImageSize), std::string(kImageSize, 'd'));
  EXPECT_EQ(discard({range(kSectors, 0)}), kDone);
  // Offered, but not taken.
  restart(device->features() & ~(kDiscard | kWriteZeroes));
  EXPECT_EQ(discard({range(0, 8)}), kUnsupported);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, {range(0, 8)}), kUnsupported);
}

TEST_P(VirtioBlockTest, RangesLongerThanWasOfferedAreRefused) {
  file.resize(2_GiB);
  VirtioBlock::Options wanted = options();
  wanted.discard = true;
  make(wanted);
  const auto ask = [this](uint32_t type, uint32_t sectors) { return queue().ask(type, 0, {range(0, sectors)}); };
  EXPECT_EQ(ask(VIRTIO_BLK_T_DISCARD, kMostDiscardSectors + 1), kError);
  EXPECT_EQ(ask(VIRTIO_BLK_T_DISCARD, kMostDiscardSectors), kDone);
  EXPECT_EQ(ask(VIRTIO_BLK_T_WRITE_ZEROES, kMostWriteZeroesSectors + 1), kError);
  EXPECT_EQ(ask(VIRTIO_BLK_T_WRITE_ZEROES, kMostWriteZeroesSectors), kDone);
}

// What a stop has to wait for: of six requests of 12 MiB the last is begun with 60 in hand, and the next has to wait,
// although it would be the first to be done.
TEST_P(VirtioBlockTest, NoRequestIsBegunWhile64MiBAreBeingMoved) {
  constexpr uint64_t kLarge = 12_MiB;
  constexpr uint16_t kSmall = 6;
  file.resize(kLarge);
  make(options());
  for (uint16_t slot = 0; slot < kSmall; ++slot)
    queue().offer(slot, VIRTIO_BLK_T_IN, 0, std::vector<FakeDescriptor>(6, to_read(0, 2_MiB)));
  queue().offer(kSmall, VIRTIO_BLK_T_IN, 0, {to_read(0, 512)});
  queue().kick();
  const auto first = queue().wait_used();
  ASSERT_TRUE(first);
  EXPECT_NE(first->id, kSmall * 8U);
  for (int left = kSmall; left > 0; --left)
    EXPECT_TRUE(queue().wait_used());
}

TEST_P(VirtioBlockTest, ARequestWithoutHeaderOrStatusBreaksTheDevice) {
  make(options());
  const uint64_t at = queue().data();
  for (const std::vector<FakeDescriptor>& chain :
       {std::vector<FakeDescriptor>{{.address = at, .length = 16}},
        {{.address = at, .length = 15}, {.address = at + 64, .length = 513, .flags = kDescWrite}},
        {{.address = at, .length = 16}, {.address = at + 64, .length = 0, .flags = kDescWrite}},
        {{.address = 0x1000, .length = 16}, {.address = at + 64, .length = 1, .flags = kDescWrite}}}) {
    side.resets_needed = 0;
    queue().rings().set_chain(0, chain);
    queue().rings().offer(0);
    queue().kick();
    EXPECT_TRUE(wait_for_needs_reset());
    // Nothing is served until the driver resets the device; then all is well again.
    queue().kick();
    device->stop();
    EXPECT_EQ(queue().rings().used_index(), 0);
    EXPECT_EQ(side.resets_needed, 1);
    start(device->features());
    EXPECT_EQ(queue().ask(VIRTIO_BLK_T_FLUSH, 0), kDone);
    restart(device->features());
  }
}

TEST_P(VirtioBlockTest, AFullQueueIsServed) {
  make(options());
  // 32 requests of eight descriptors each, again and again, without waiting for one before the next is offered.
  for (int round = 0; round < 8; ++round) {
    for (uint16_t slot = 0; slot < 32; ++slot) {
      queue().put(uint64_t{slot} * 4096, std::string(512, static_cast<char>('a' + round)));
      queue().offer(slot, VIRTIO_BLK_T_OUT, uint64_t{slot} * 8, {to_write(uint64_t{slot} * 4096, 512)});
    }
    queue().kick();
    for (int done = 0; done < 32; ++done)
      ASSERT_TRUE(queue().wait_used());
    for (uint16_t slot = 0; slot < 32; ++slot) {
      EXPECT_EQ(queue().status(slot), VIRTIO_BLK_S_OK);
      EXPECT_EQ(file.read(uint64_t{slot} * 4096, 512), std::string(512, static_cast<char>('a' + round)));
    }
  }
}

TEST_P(VirtioBlockTest, ADriverThatOffersTheSameChainOverAndOverIsServed) {
  make(options());
  const uint64_t at = queue().data();
  memory.store(Gpa{at}, virtio_blk_outhdr{.type = VIRTIO_BLK_T_IN, .ioprio = 0, .sector = 0});
  queue().rings().set_chain(0,
                            {{.address = at, .length = 16}, {.address = at + 64, .length = 513, .flags = kDescWrite}});
  for (int i = 0; i < BlockQueue::kSize; ++i)
    queue().rings().offer(0);
  queue().kick();
  for (int i = 0; i < BlockQueue::kSize; ++i)
    ASSERT_EQ(queue().wait_used(), (FakeUsed{.id = 0, .length = 513}));
  EXPECT_EQ(side.resets_needed, 0);
}

TEST_P(VirtioBlockTest, AStoppedDeviceTouchesNothing) {
  make(options());
  // Long requests of one and the same MiB, so that most are in hand when it stops.
  for (uint16_t slot = 0; slot < 32; ++slot)
    queue().offer(slot, VIRTIO_BLK_T_IN, 0, {to_read(0, 128_KiB), to_read(0, 128_KiB), to_read(0, 128_KiB)});
  queue().kick();
  device->stop();
  const uint16_t used = queue().rings().used_index();
  const int interrupts = side.queue_interrupts;
  file.write(0, std::string(128_KiB, 'n'));
  queue().put(0, std::string(128_KiB, 'o'));
  queue().kick();
  std::this_thread::sleep_for(std::chrono::milliseconds{5});
  EXPECT_EQ(queue().rings().used_index(), used);
  EXPECT_EQ(queue().get(0, 128_KiB), std::string(128_KiB, 'o'));
  EXPECT_EQ(side.queue_interrupts, interrupts);
  device->stop();
  start(device->features());
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 0, {to_read(0, 512)}).status, VIRTIO_BLK_S_OK);
  EXPECT_EQ(queue().get(0, 512), std::string(512, 'n'));
}

TEST_P(VirtioBlockTest, AStoppedDeviceHasNothingInHandAndGoesOnWhereItStood) {
  make(options());
  for (uint16_t slot = 0; slot < 32; ++slot)
    queue().offer(slot, VIRTIO_BLK_T_IN, 0, {to_read(0, 128_KiB), to_read(0, 128_KiB)});
  queue().kick();
  device->stop();
  const VirtqueueState stood = device->stopped_at(0);
  EXPECT_EQ(stood.next_available, stood.next_used);
  EXPECT_EQ(stood.next_used, queue().rings().used_index());
  VirtioSession session{.queues = {}, .features = device->features() | kVirtioVersion1, .driver = &side};
  std::string_view why;
  session.queues.push_back(Virtqueue::create(memory, queue().rings().layout(), {}, why));
  session.queues[0]->set_state(stood);
  device->start(std::move(session));
  for (int done = 0; done < 32; ++done)
    ASSERT_TRUE(queue().wait_used());
  for (uint16_t slot = 0; slot < 32; ++slot)
    EXPECT_EQ(queue().status(slot), VIRTIO_BLK_S_OK);
}

TEST_P(VirtioBlockTest, AHeldDeviceIsQuietSoonAndGoesOnWhereItStands) {
  make(options());
  for (int round = 0; round < 20; ++round) {
    for (uint16_t slot = 0; slot < 16; ++slot)
      queue().offer(slot, VIRTIO_BLK_T_IN, 0, {to_read(0, 128_KiB), to_read(0, 128_KiB)});
    queue().kick();
    device->hold();
    ASSERT_TRUE(becomes_quiet());
    const uint16_t used = queue().rings().used_index();
    const int interrupts = side.queue_interrupts;
    queue().kick();
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
    ASSERT_EQ(queue().rings().used_index(), used);
    ASSERT_EQ(side.queue_interrupts, interrupts);
    device->go_on();
    for (int done = 0; done < 16; ++done)
      ASSERT_TRUE(queue().wait_used());
  }
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 0, {to_read(0, 512)}).status, VIRTIO_BLK_S_OK);
}

TEST_P(VirtioBlockTest, AHeldDeviceIsStoppedAndStartedAndStaysHeld) {
  make(options());
  device->hold();
  ASSERT_TRUE(becomes_quiet());
  restart(device->features());
  EXPECT_TRUE(device->is_quiet());
  queue().offer(0, VIRTIO_BLK_T_IN, 0, {to_read(0, 512)});
  queue().kick();
  std::this_thread::sleep_for(std::chrono::milliseconds{5});
  EXPECT_FALSE(queue().rings().take_used());
  device->stop();
  EXPECT_EQ(device->stopped_at(0), VirtqueueState{});
  start(device->features());
  device->go_on();
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 0, {to_read(0, 512)}).status, VIRTIO_BLK_S_OK);
}

TEST_P(VirtioBlockTest, AStoppedDeviceThatGoesOnStaysStopped) {
  make(options());
  device->hold();
  device->stop();
  device->go_on();
  EXPECT_TRUE(device->is_quiet());
  device->go_on();
  start(device->features());
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 0, {to_read(0, 512)}).status, VIRTIO_BLK_S_OK);
}

TEST_P(VirtioBlockTest, AHoldAndAStopAtOnceKeepTheDeviceAtRestUntilBothHaveEnded) {
  make(options());
  for (int round = 0; round < 50; ++round) {
    queue().offer(0, VIRTIO_BLK_T_IN, 0, {to_read(0, 128_KiB)});
    queue().kick();
    std::jthread pause([this] {
      device->hold();
      device->go_on();
    });
    device->stop();
    pause.join();
    ASSERT_TRUE(device->is_quiet());
    start(device->features());
    ASSERT_EQ(queue().ask(VIRTIO_BLK_T_IN, 0, {to_read(0, 512)}).status, VIRTIO_BLK_S_OK);
  }
}

TEST_P(VirtioBlockTest, OfARequestThatNobodyWaitsForOnlyTheStepUnderWayIsFinished) {
  file.resize(8_MiB);
  make(options());
  const std::vector<FakeDescriptor> six_mib(6, to_read(0, 1_MiB));
  device->give_up_requests();
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 0, six_mib), (Answer{.status = VIRTIO_BLK_S_IOERR, .length = 4_MiB}));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 0, {to_read(0, 1_MiB)}).status, VIRTIO_BLK_S_OK) << "that is one step";
  restart(device->features());
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 0, six_mib), (Answer{.status = VIRTIO_BLK_S_OK, .length = 6_MiB + 1}))
      << "the next driver waits";
}

TEST_P(VirtioBlockTest, RequestsLongerThanAStepAreMovedWhole) {
  file.resize(8_MiB);
  file.write(1_MiB, "first");
  file.write(6_MiB, "last");
  make(options());
  // Six times the same MiB of memory: the last one stays.
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, kSectors, std::vector<FakeDescriptor>(6, to_read(0, 1_MiB))),
            (Answer{.status = VIRTIO_BLK_S_OK, .length = 6_MiB + 1}));
  EXPECT_EQ(queue().get(0, 5), std::string_view("last\0", 5));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, 0, std::vector<FakeDescriptor>(6, to_write(0, 1_MiB))), kDone);
  EXPECT_EQ(file.read(5_MiB, 4), "last");
}

TEST_P(VirtioBlockTest, QueuesAreServedSideBySide) {
  VirtioBlock::Options wanted = options();
  wanted.queues = 3;
  make(wanted);
  EXPECT_NE(device->features() & kMultiQueue, 0U);
  EXPECT_EQ(device->queue_sizes().size(), 3U);
  EXPECT_EQ(config<uint16_t>(offsetof(virtio_blk_config, num_queues)), 3);
  for (uint16_t number = 0; number < 3; ++number) {
    FakeBlockDriverQueue& one = *queues[number];
    one.put(0, std::string(512, static_cast<char>('0' + number)));
    for (uint16_t slot = 0; slot < 16; ++slot)
      one.offer(slot, VIRTIO_BLK_T_OUT, number * 100U + slot, {{.address = one.data(), .length = 512}});
    one.kick();
  }
  for (const auto& one : queues) {
    for (int done = 0; done < 16; ++done)
      ASSERT_TRUE(one->wait_used());
  }
  for (uint16_t number = 0; number < 3; ++number)
    EXPECT_EQ(file.read(number * 51'200U, 8192), std::string(8192, static_cast<char>('0' + number)));
  // A driver that uses only one of them, and not the first.
  device->stop();
  VirtioSession session{.queues = {}, .features = kVirtioVersion1 | kFlush, .driver = &side};
  std::string_view why;
  queues[1]->reset();
  session.queues.resize(3);
  session.queues[1] = Virtqueue::create(memory, queues[1]->rings().layout(), {}, why);
  device->start(std::move(session));
  queues[0]->kick();
  EXPECT_EQ(queues[1]->ask(VIRTIO_BLK_T_FLUSH, 0), kDone);
  device->stop();  // the interrupt comes behind the answer
  EXPECT_EQ(side.last_queue, 1);
}

TEST_P(VirtioBlockTest, AnImageThatBecameShorterGivesErrorsAndDoesNotGrow) {
  make(options());
  file.resize(kImageSize / 2);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, kSectors / 2, {to_read(0, 512)}), kReadError);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, kSectors / 2 - 1, {to_read(0, 1024)}),
            (Answer{.status = VIRTIO_BLK_S_IOERR, .length = 512}));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, kSectors / 2, {to_write(0, 512)}), kError);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, {range(kSectors / 2 - 1, 2)}), kError);
  EXPECT_EQ(file.size(), kImageSize / 2);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, kSectors / 2 - 1, {to_write(0, 512)}), kDone);
  file.resize(kImageSize);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, kSectors - 1, {to_write(0, 512)}), kDone);
}

TEST_P(VirtioBlockTest, AResetFindsTheImageAsLongAsItIsNow) {
  make(options());
  const auto reset_to = [this](uint64_t size) {
    file.resize(size);
    EXPECT_EQ(config<uint64_t>(offsetof(virtio_blk_config, capacity)) * 512, device_size) << "not before the reset";
    device->stop();
    device->reset();
    device_size = size / 512 * 512;
    EXPECT_EQ(config<uint64_t>(offsetof(virtio_blk_config, capacity)) * 512, device_size);
    start(device->features());
  };
  reset_to(kImageSize * 2 + 511);
  queue().put(0, std::string(512, 'w'));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, kSectors * 2 - 1, {to_write(0, 512)}), kDone);
  EXPECT_EQ(file.read(kImageSize * 2 - 512, 512), std::string(512, 'w'));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, kSectors * 2, {to_write(0, 512)}), kError) << "no whole sector";
  reset_to(kImageSize / 2);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, kSectors / 2 - 1, {to_read(0, 512)}).status, VIRTIO_BLK_S_OK);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, kSectors / 2, {to_read(0, 512)}), kReadError);
  reset_to(0);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 0, {to_read(0, 512)}), kReadError);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, 0, {to_write(0, 512)}), kError);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_FLUSH, 0), kDone);
  EXPECT_EQ(file.size(), 0U);
  reset_to(kImageSize);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, kSectors - 1, {to_read(0, 512)}).status, VIRTIO_BLK_S_OK);
}

TEST_P(VirtioBlockTest, ErrorsOfTheHostAreErrorsOfTheDisk) {
  file.resize(256_MiB);
  make(options());
  // What writes beyond 128 MiB get is EFBIG; a full disk or a broken one looks the same from here.
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit limit{.rlim_cur = 128_MiB, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, 256_MiB / 512 - 8, {to_write(0, 4096)}), kError);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, 256_MiB / 512 - 8, {to_write(0, 4096)}), kDone);
}

/// That of io_uring is made by the kernel: uring_disk_io_test has what it is asked for.
class BlockingVirtioBlockTest : public VirtioBlockTest {};

INSTANTIATE_TEST_SUITE_P(Engines, BlockingVirtioBlockTest, ::testing::Values(DiskEngine::kBlocking));

TEST_P(BlockingVirtioBlockTest, AFlushIsAnsweredWhenTheHostHasSyncedAndNotBefore) {
  make(options());
  queue().put(0, std::string(512, 'w'));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, 3, {to_write(0, 512)}), kDone);
  EXPECT_EQ(syncs_begun.load(), 0);
  hold_syncs.store(true);
  queue().offer(0, VIRTIO_BLK_T_FLUSH, 0, {});
  queue().kick();
  syncs_begun.wait(0);
  EXPECT_EQ(file.read(1536, 512), std::string(512, 'w')) << "what was answered before the flush is with the kernel";
  std::this_thread::sleep_for(std::chrono::milliseconds{20});
  EXPECT_FALSE(queue().rings().take_used());
  hold_syncs.store(false);
  hold_syncs.notify_all();
  EXPECT_TRUE(queue().wait_used());
  EXPECT_EQ(queue().status(0), VIRTIO_BLK_S_OK);
  EXPECT_EQ(syncs_begun.load(), 1);
}

TEST_P(BlockingVirtioBlockTest, AHoldForWhichADiskHangsCanBeTakenBack) {
  make(options());
  hold_syncs.store(true);
  queue().offer(0, VIRTIO_BLK_T_FLUSH, 0, {});
  queue().kick();
  syncs_begun.wait(0);
  device->hold();
  std::this_thread::sleep_for(std::chrono::milliseconds{5});
  EXPECT_FALSE(device->is_quiet());
  device->go_on();
  hold_syncs.store(false);
  hold_syncs.notify_all();
  EXPECT_TRUE(queue().wait_used());
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 0, {to_read(0, 512)}).status, VIRTIO_BLK_S_OK);
}

TEST_P(VirtioBlockTest, TheImageIsFreeOnceItsDiskIsGone) {
  for (int i = 0; i < 10; ++i) {
    make(options());
    EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, 0, {to_write(0, 4096)}), kDone);
    device.reset();
  }
}

/// On a disk whose direct I/O works in blocks of 4 KiB.
class DirectVirtioBlockTest : public VirtioBlockTest {
 protected:
  void SetUp() override {
    VirtioBlock::Options wanted = options();
    wanted.discard = true;
    wanted.image.direct = true;
    wanted.image.least_direct_block = 4096;
    try {
      make(wanted);
    } catch (const SetupError& error) {
      GTEST_SKIP() << error.what();
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Engines, DirectVirtioBlockTest, ::testing::Values(DiskEngine::kBlocking, DiskEngine::kRing),
                         [](const auto& tested) { return tested.param == DiskEngine::kRing ? "Ring" : "Blocking"; });

TEST_P(DirectVirtioBlockTest, BuffersMayLieAnywhere) {
  queue().put(0, std::string(8192, 'a'));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, 0, {to_write(0, 8192)}), kDone);
  queue().put(1, std::string(4096, 'b'));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, 8, {to_write(1, 1000), to_write(1001, 3096)}), kDone);
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, 0, {to_read(1, 4000), to_read(9001, 4192)}).status, VIRTIO_BLK_S_OK);
  EXPECT_EQ(queue().get(1, 4000) + queue().get(9001, 4192), std::string(4096, 'a') + std::string(4096, 'b'));
}

// A part of a block could be written only with what was around it a moment ago.
TEST_P(DirectVirtioBlockTest, PartsOfBlocksAreRefused) {
  file.write(0, std::string(kImageSize, 'd'));
  EXPECT_EQ(config<uint32_t>(offsetof(virtio_blk_config, blk_size)), 4096U);
  EXPECT_EQ(config<uint8_t>(offsetof(virtio_blk_config, physical_block_exp)), 0);
  EXPECT_EQ(config<uint16_t>(offsetof(virtio_blk_config, min_io_size)), 1);
  EXPECT_EQ(config<uint32_t>(offsetof(virtio_blk_config, discard_sector_alignment)), 8U);
  EXPECT_EQ(config<uint64_t>(offsetof(virtio_blk_config, capacity)), kSectors);
  for (const auto& [sector, bytes] : {std::pair{0U, 512U}, std::pair{1U, 4096U}, std::pair{8U, 4096U + 512U}}) {
    EXPECT_EQ(queue().ask(VIRTIO_BLK_T_OUT, sector, {to_write(0, bytes)}), kError);
    EXPECT_EQ(queue().ask(VIRTIO_BLK_T_IN, sector, {to_read(0, bytes)}), kReadError);
    EXPECT_EQ(queue().ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, {range(sector, bytes / 512)}), kError);
    EXPECT_EQ(queue().ask(VIRTIO_BLK_T_DISCARD, 0, {range(sector, bytes / 512)}), kError);
  }
  EXPECT_EQ(file.read(0, kImageSize), std::string(kImageSize, 'd'));
  EXPECT_EQ(queue().ask(VIRTIO_BLK_T_WRITE_ZEROES, 0, {range(8, 8)}), kDone);
  EXPECT_EQ(file.read(4096, 4096), std::string(4096, '\0'));
  file.resize(kImageSize + 4096 + 512);
  device->stop();
  device->reset();
  EXPECT_EQ(config<uint64_t>(offsetof(virtio_blk_config, capacity)), kSectors + 8);
}

TEST_P(VirtioBlockTest, DescribesTheDisk) {
  make(options());
  EXPECT_EQ(config<uint64_t>(offsetof(virtio_blk_config, capacity)), kSectors);
  EXPECT_EQ(config<uint32_t>(offsetof(virtio_blk_config, seg_max)), 254U);
  EXPECT_EQ(config<uint32_t>(offsetof(virtio_blk_config, blk_size)), 512U);
  EXPECT_EQ(config<uint8_t>(offsetof(virtio_blk_config, physical_block_exp)), 3);
  EXPECT_EQ(config<uint16_t>(offsetof(virtio_blk_config, num_queues)), 1);
  EXPECT_EQ(config<uint32_t>(offsetof(virtio_blk_config, max_write_zeroes_sectors)), kMostWriteZeroesSectors);
  EXPECT_EQ(config<uint32_t>(offsetof(virtio_blk_config, max_write_zeroes_seg)), 1U);
  EXPECT_EQ(config<uint32_t>(offsetof(virtio_blk_config, max_discard_sectors)), 0U);
  EXPECT_EQ(config<uint64_t>(offsetof(virtio_blk_config, max_secure_erase_sectors)), 0U);
  EXPECT_EQ(config<uint64_t>(UINT64_MAX - 3), 0U);
  EXPECT_EQ(device->features() & (kDiscard | kReadOnly | kMultiQueue), 0U);
  EXPECT_EQ(device->features() & (kFlush | kWriteZeroes), kFlush | kWriteZeroes);
  EXPECT_EQ(device->name(), "disk0");
}

TEST(VirtioBlock, OptionsOutOfRangeAreRefused) {
  const TemporaryImage file{4096};
  const auto problem = [&file](const auto& change) -> std::string {
    VirtioBlock::Options options{.image = {.path = file.path()}, .serial = {}};
    change(options);
    try {
      const VirtioBlock device{0, options};
    } catch (const SetupError& error) {
      return std::string{error.what()}.substr(std::string{"--disk : "}.size() + file.path().size());
    }
    return {};
  };
  EXPECT_EQ(problem([](auto& options) { options.serial = std::string(20, 's'); }), "");
  EXPECT_EQ(problem([](auto& options) { options.serial = std::string(21, 's'); }),
            "serial=sssssssssssssssssssss: has 21 bytes; a disk's serial number has at most 20");
  EXPECT_EQ(problem([](auto& options) { options.queues = 0; }), "queues=0: give 1 to 16");
  EXPECT_EQ(problem([](auto& options) { options.queues = 16; }), "");
  EXPECT_EQ(problem([](auto& options) { options.queues = 17; }), "queues=17: give 1 to 16");
  EXPECT_EQ(problem([](auto& options) { options.image.read_only = options.discard = true; }),
            "discard=unmap: not possible with ro, which changes nothing");
}

}  // namespace
}  // namespace rvvmm::virtio_block_test

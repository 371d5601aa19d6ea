#include "devices/block/uring_disk_io.hpp"

#include <gtest/gtest.h>
#include <liburing.h>

#include <array>
#include <cstddef>

namespace rvvmm::uring_disk_io_test {
namespace {

constexpr int kFd = 7;

io_uring_sqe submission(const DiskStep& step) {
  io_uring_sqe entry{};
  fill_submission(entry, kFd, step);
  EXPECT_EQ(entry.fd, kFd);
  return entry;
}

TEST(UringDiskIo, AFlushIsAnFdatasyncOfAllOfTheImage) {
  const io_uring_sqe entry = submission({.kind = DiskStep::Kind::kSync, .buffers = {}});
  EXPECT_EQ(entry.opcode, IORING_OP_FSYNC);
  EXPECT_EQ(entry.fsync_flags, IORING_FSYNC_DATASYNC);
  EXPECT_EQ(entry.off, 0U);
  EXPECT_EQ(entry.len, 0U);
}

TEST(UringDiskIo, TransfersAreAtTheirPlace) {
  std::array<std::byte, 1024> bytes{};
  const std::array<iovec, 2> buffers{iovec{.iov_base = bytes.data(), .iov_len = 512},
                                     iovec{.iov_base = bytes.data() + 512, .iov_len = 512}};
  DiskStep step{.kind = DiskStep::Kind::kWrite, .offset = 4096, .length = 1024, .buffers = buffers};
  io_uring_sqe entry = submission(step);
  EXPECT_EQ(entry.opcode, IORING_OP_WRITEV);
  EXPECT_EQ(entry.off, 4096U);
  EXPECT_EQ(entry.addr, reinterpret_cast<uintptr_t>(buffers.data()));
  EXPECT_EQ(entry.len, 2U);
  step.kind = DiskStep::Kind::kRead;
  step.buffers = std::span{buffers}.subspan(1);
  entry = submission(step);
  EXPECT_EQ(entry.opcode, IORING_OP_READ);
  EXPECT_EQ(entry.off, 4096U);
  EXPECT_EQ(entry.addr, reinterpret_cast<uintptr_t>(buffers[1].iov_base));
  EXPECT_EQ(entry.len, 512U);
}

TEST(UringDiskIo, AllocationHasItsMode) {
  const io_uring_sqe entry =
      submission({.kind = DiskStep::Kind::kAllocate, .mode = 3, .offset = 4096, .length = 8192, .buffers = {}});
  EXPECT_EQ(entry.opcode, IORING_OP_FALLOCATE);
  EXPECT_EQ(entry.off, 4096U);
  EXPECT_EQ(entry.addr, 8192U);
  EXPECT_EQ(entry.len, 3U);
}

}  // namespace
}  // namespace rvvmm::uring_disk_io_test

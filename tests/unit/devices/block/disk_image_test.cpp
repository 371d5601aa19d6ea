#include "devices/block/disk_image.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "fakes/temporary_image.hpp"

namespace rvvmm::disk_image_test {
namespace {

DiskImage::Options at(const std::string& path) {
  return {.path = path};
}

/// What is wrong with the image, behind "--disk <path>: "; empty if nothing is.
std::string problem(const DiskImage::Options& options) {
  try {
    const DiskImage image{options};
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kBadInput);
    const std::string start = "--disk " + options.path + ": ";
    const std::string what = error.what();
    EXPECT_TRUE(what.starts_with(start)) << what;
    return what.substr(std::min(start.size(), what.size()));
  }
  return {};
}

TEST(DiskImage, WhatIsNoImageIsRefusedByName) {
  EXPECT_EQ(problem(at("/tmp/rvvmm-nowhere.img")), "no such file; give a raw disk image");
  EXPECT_EQ(problem(at("/dev/null/disk.img")), "a part of the path is not a directory; give a raw disk image");
  EXPECT_EQ(problem(at("/tmp")), "is a directory; give a raw disk image");
  EXPECT_EQ(problem({.path = "/tmp", .read_only = true}), "is a directory; give a raw disk image");
  EXPECT_EQ(problem(at("/dev/null")), "is a character device; give a raw disk image");
}

TEST(DiskImage, AFifoIsRefusedAndNotWaitedFor) {
  const std::string path = "/tmp/rvvmm-disk-fifo-" + std::to_string(::getpid());
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(problem(at(path)), "is a FIFO; give a raw disk image");
  EXPECT_EQ(problem({.path = path, .read_only = true}), "is a FIFO; give a raw disk image");
  ::unlink(path.c_str());
}

TEST(DiskImage, ItsSizeIsWholeSectors) {
  const TemporaryImage file{0};
  EXPECT_EQ(problem(at(file.path())), "is empty; give a raw disk image, such as truncate --size 1G makes");
  file.resize(511);
  EXPECT_EQ(problem(at(file.path())), "is shorter than a sector of 512 bytes; give a raw disk image");
  file.resize(512);
  EXPECT_EQ(DiskImage{at(file.path())}.size(), 512U);
  file.resize(1535);
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(DiskImage{at(file.path())}.size(), 1024U);
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("its last 511 bytes are not a whole sector of 512"),
            std::string::npos);
}

TEST(DiskImage, OtherFormatsAreNamed) {
  using namespace std::string_view_literals;
  struct Case {
    std::string_view name;
    uint64_t offset;
    std::string_view magic;
  };
  for (const Case& format : {Case{.name = "qcow2", .offset = 0, .magic = "QFI\xfb\0\0\0\3"sv},
                             Case{.name = "vmdk", .offset = 0, .magic = "KDMV\1\0\0\0"sv},
                             Case{.name = "vhdx", .offset = 0, .magic = "vhdxfile"sv},
                             Case{.name = "vpc", .offset = 0, .magic = "conectix"sv},
                             Case{.name = "vdi", .offset = 64, .magic = "\x7f\x10\xda\xbe"sv}}) {
    const TemporaryImage file{64_KiB};
    file.write(format.offset, format.magic);
    const std::string name{format.name};
    EXPECT_EQ(problem(at(file.path())),
              "is a " + name + " image, and only raw ones are supported; make one with qemu-img convert -f " + name +
                  " -O raw");
    file.write(format.offset, "x");
    EXPECT_EQ(problem(at(file.path())), "");
  }
}

TEST(DiskImage, OneWriterOrManyReaders) {
  const TemporaryImage file{4096};
  const DiskImage::Options reading{.path = file.path(), .read_only = true};
  {
    const DiskImage writer{at(file.path())};
    EXPECT_EQ(problem(at(file.path())),
              "is in use by another virtual machine; stop that first, or give it to all of them with ,ro");
    EXPECT_EQ(problem(reading), "is being written to by another virtual machine; stop that first");
  }
  const DiskImage first{reading};
  const DiskImage second{reading};
  EXPECT_NE(problem(at(file.path())), "");
}

/// Whether a lock of that type on that byte could be had.
bool is_free(const Fd& file, off_t byte) {
  struct flock range{};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = byte;
  range.l_len = 1;
  EXPECT_EQ(::fcntl(file.get(), F_OFD_GETLK, &range), 0);
  return range.l_type == F_UNLCK;
}

/// What QEMU has on an image: locks for reading on 100 + n for what it does, on 200 + n for what it forbids.
Fd as_qemu(const std::string& path, const std::vector<off_t>& bytes) {
  Fd file{::open(path.c_str(), O_RDWR | O_CLOEXEC)};
  for (const off_t byte : bytes) {
    struct flock range{};
    range.l_type = F_RDLCK;
    range.l_whence = SEEK_SET;
    range.l_start = byte;
    range.l_len = 1;
    EXPECT_EQ(::fcntl(file.get(), F_OFD_SETLK, &range), 0) << byte;
  }
  return file;
}

TEST(DiskImage, KnowsWhatQemuDoesAndTellsIt) {
  const TemporaryImage file{4096};
  const DiskImage::Options reading{.path = file.path(), .read_only = true};
  {
    const Fd writer = as_qemu(file.path(), {100, 101, 103, 201, 203});
    EXPECT_EQ(problem(reading), "is being written to by another virtual machine; stop that first");
    EXPECT_NE(problem(at(file.path())), "");
  }
  {
    const Fd reader = as_qemu(file.path(), {100, 201});
    EXPECT_NE(problem(at(file.path())), "");
    const DiskImage ours{reading};
    // QEMU looks at what others forbid of what it does, and do of what it forbids.
    EXPECT_TRUE(is_free(reader, 200)) << "it may read";
    EXPECT_TRUE(is_free(reader, 101)) << "nobody writes";
    EXPECT_FALSE(is_free(reader, 201)) << "but it may not write";
    EXPECT_FALSE(is_free(reader, 100)) << "since somebody reads";
  }
  const DiskImage writer{at(file.path())};
  const Fd qemu = as_qemu(file.path(), {});
  EXPECT_FALSE(is_free(qemu, 101));
  EXPECT_FALSE(is_free(qemu, 200));
}

TEST(DiskImage, AFileThatBecameShorterSaysSo) {
  const TemporaryImage file{8192};
  const DiskImage image{at(file.path())};
  EXPECT_EQ(image.size_now(), 8192U);
  file.resize(4096);
  EXPECT_EQ(image.size_now(), 4096U);
  EXPECT_EQ(image.size(), 8192U);
  file.resize(1_MiB);
  EXPECT_EQ(image.size_now(), 8192U);
}

class DirectDiskImage : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      image.emplace(DiskImage::Options{.path = file.path(), .direct = true, .least_direct_block = 4096});
    } catch (const SetupError& error) {
      GTEST_SKIP() << error.what();
    }
    if (image->block_size() != 4096) GTEST_SKIP() << "direct I/O in blocks of " << image->block_size() << " bytes here";
  }
  int64_t transfer(DiskStep::Kind kind, uint64_t offset, std::span<char> bytes) {
    const iovec buffer{.iov_base = bytes.data(), .iov_len = bytes.size()};
    const DiskStep step{.kind = kind, .offset = offset, .length = bytes.size(), .buffers = {&buffer, 1}};
    const bool is_part_of_a_block = offset % 4096 != 0 || bytes.size() % 4096 != 0;
    const bool is_at_an_odd_address = reinterpret_cast<uintptr_t>(bytes.data()) % 2 != 0;
    EXPECT_TRUE(image->is_unaligned(step) || (!is_part_of_a_block && !is_at_an_odd_address));
    return image->run(step);
  }

  const TemporaryImage file{256_KiB};
  std::optional<DiskImage> image;
  alignas(4096) std::array<char, 128_KiB> memory{};
};

TEST_F(DirectDiskImage, UnalignedRequestsChangeNothingElse) {
  file.write(0, std::string(12288, 'a'));
  std::ranges::fill(memory, 'b');
  // By offset and length, by length, by memory, and not at all.
  EXPECT_EQ(transfer(DiskStep::Kind::kWrite, 3584, std::span{memory}.first(1024)), 1024);
  EXPECT_EQ(transfer(DiskStep::Kind::kWrite, 8192, std::span{memory}.first(512)), 512);
  EXPECT_EQ(file.read(0, 12288), std::string(3584, 'a') + std::string(1024, 'b') + std::string(3584, 'a') +
                                     std::string(512, 'b') + std::string(3584, 'a'));
  std::ranges::fill(memory, 'c');
  EXPECT_EQ(transfer(DiskStep::Kind::kWrite, 4096, std::span{memory}.subspan(1, 4096)), 4096);
  EXPECT_EQ(transfer(DiskStep::Kind::kWrite, 8192, std::span{memory}.first(4096)), 4096);
  EXPECT_EQ(file.read(4096, 8192), std::string(8192, 'c'));
}

TEST_F(DirectDiskImage, UnalignedReadsGetTheirBytes) {
  file.write(4608, "here");
  EXPECT_EQ(transfer(DiskStep::Kind::kRead, 4608, std::span{memory}.subspan(3, 512)), 512);
  EXPECT_EQ(std::string_view(memory.data() + 3, 5), std::string_view("here\0", 5));
  // Longer than the bounce buffer: a part, as reads may.
  EXPECT_EQ(transfer(DiskStep::Kind::kRead, 512, std::span{memory}.subspan(1, 100_KiB)), 64_KiB - 512);
  EXPECT_EQ(std::string_view(memory.data() + 1 + 4096, 4), "here");
  // At the end of a file that became shorter.
  file.resize(8192);
  EXPECT_EQ(transfer(DiskStep::Kind::kRead, 8192, std::span{memory}.first(512)), 0);
  EXPECT_EQ(transfer(DiskStep::Kind::kWrite, 8192, std::span{memory}.first(512)), -EIO);
}

TEST_F(DirectDiskImage, TheGuestHasItsBlocks) {
  EXPECT_EQ(image->logical_block_size(), 4096U);
  image.reset();
  EXPECT_EQ(DiskImage{at(file.path())}.logical_block_size(), 512U);
}

TEST(DiskImage, DirectNeedsWholeBlocks) {
  const TemporaryImage file{4096 + 512};
  const std::string what = problem({.path = file.path(), .direct = true});
  EXPECT_TRUE(what.empty() || what.contains("leave out direct")) << what;
}

}  // namespace
}  // namespace rvvmm::disk_image_test

#include "devices/block/disk_image.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <format>
#include <fstream>
#include <system_error>

#include "base/file_kind.hpp"
#include "base/log.hpp"
#include "base/printable.hpp"
#include "base/types.hpp"
#include "devices/virtio/virtqueue.hpp"

namespace rvvmm {
namespace {

constexpr std::string_view kWanted = "give a raw disk image";
constexpr uint64_t kBufferSize = 64_KiB;
constexpr uint32_t kPage = 4096;

struct Format {
  std::string_view name;
  size_t offset;
  std::string_view magic;
};

using namespace std::string_view_literals;
// The first bytes of image formats whose content is not the disk's. If a guest writes one of these to its raw disk, no
// later start accepts the image. That is better than a host file that the guest could make us open as a chain of
// others.
constexpr std::array kFormats{
    Format{.name = "qcow2", .offset = 0, .magic = "QFI\xfb"sv},
    Format{.name = "qed", .offset = 0, .magic = "QED\0"sv},
    Format{.name = "vmdk", .offset = 0, .magic = "KDMV"sv},
    Format{.name = "vmdk", .offset = 0, .magic = "# Disk DescriptorFile"sv},
    Format{.name = "vhdx", .offset = 0, .magic = "vhdxfile"sv},
    Format{.name = "vpc", .offset = 0, .magic = "conectix"sv},
    Format{.name = "vdi", .offset = 64, .magic = "\x7f\x10\xda\xbe"sv},
};

template <typename Call>
int64_t retried(Call call) noexcept {
  for (;;) {
    const int64_t result = call();
    if (result >= 0) return result;
    if (errno != EINTR) return -int64_t{errno};
  }
}

/// `length` 0: to the end of the file, wherever that will be.
struct flock lock_of(short type, off_t from, off_t length) noexcept {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = from;
  lock.l_len = length;
  return lock;
}

}  // namespace

DiskImage::DiskImage(const Options& options)
    : printable_path_(printable(options.path)), read_only_(options.read_only), direct_(options.direct) {
  open(options.path);
  lock();
  find_size();
  refuse_other_formats();
  find_block_size();
  zeroes_ = Mapping::anonymous(kBufferSize, kPage, "zeroes of a disk");
  if (!direct_) return;
  bounce_ = Mapping::anonymous(kBufferSize, kPage, "bounce buffer of a disk");
  find_direct_alignment(options.least_direct_block);
}

SetupError DiskImage::error(std::string_view what) const {
  return SetupError{ExitStatus::kBadInput, std::format("--disk {}: {}", printable_path_, what)};
}

std::string DiskImage::reason_of(int error, const std::string& path) const {
  struct stat found{};
  switch (error) {
    case ENOENT: return std::format("no such file; {}", kWanted);
    case ENOTDIR: return std::format("a part of the path is not a directory; {}", kWanted);
    case EACCES:
      if (read_only_ || ::access(path.c_str(), R_OK) != 0) return "no permission to read it";
      return "no permission to write it; add ,ro to use it read-only";
    case EROFS: return "is on a read-only file system; add ,ro to use it read-only";
    case EISDIR: return std::format("is a directory; {}", kWanted);
    // A socket cannot be opened at all.
    case ENXIO:
      return std::format("{}; {}", ::stat(path.c_str(), &found) == 0 ? file_kind(found.st_mode) : "cannot be opened",
                         kWanted);
    default: return std::generic_category().message(error);
  }
}

void DiskImage::open(const std::string& path) {
  // O_NONBLOCK: otherwise opening a FIFO read-only would wait for a writer, before we could see that it is a FIFO.
  const int access = read_only_ ? O_RDONLY : O_RDWR;
  fd_ = Fd{::open(path.c_str(), access | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!fd_) throw error(reason_of(errno, path));
  struct stat found{};
  if (::fstat(fd_.get(), &found) != 0) throw error(std::generic_category().message(errno));
  is_regular_ = S_ISREG(found.st_mode);
  if (!is_regular_ && !S_ISBLK(found.st_mode)) throw error(std::format("{}; {}", file_kind(found.st_mode), kWanted));
  // I/O must not have O_NONBLOCK: io_uring would fail what cannot be done at once.
  // O_NOATIME: the access time of an image is of no use, and costs each read; only the owner may set this flag.
  const int flags = direct_ ? O_DIRECT : 0;
  if (::fcntl(fd_.get(), F_SETFL, flags | O_NOATIME) != 0 && ::fcntl(fd_.get(), F_SETFL, flags) != 0) {
    throw error(errno == EINVAL ? "its file system has no direct I/O; leave out direct"
                                : std::generic_category().message(errno));
  }
}

// QEMU announces what it does by read locks on single bytes: 100 + n for what it does, 200 + n for what others must not
// do, where n is 0 for reading and 1 for writing (raw_apply_lock_bytes in its block/file-posix.c). Our writer locks all
// bytes for writing, and so conflicts with each of them. Our reader leaves QEMU's bytes out, except the two that a
// reader of QEMU's has too, and asks whether the writers' byte is locked.
void DiskImage::lock() {
  constexpr off_t kReads = 100;
  constexpr off_t kWrites = 101;
  constexpr off_t kForbidsWriting = 201;
  constexpr off_t kBehind = 300;
  const auto take = [this](short type, off_t from, off_t length) {
    struct flock bytes = lock_of(type, from, length);
    return ::fcntl(fd_.get(), F_OFD_SETLK, &bytes) == 0;
  };
  const bool taken =
      read_only_ ? take(F_RDLCK, 0, kReads + 1) && take(F_RDLCK, kForbidsWriting, 1) && take(F_RDLCK, kBehind, 0)
                 : take(F_WRLCK, 0, 0);
  if (taken) {
    if (!read_only_) return;
    struct flock writer = lock_of(F_WRLCK, kWrites, 1);
    if (::fcntl(fd_.get(), F_OFD_GETLK, &writer) == 0) {
      if (writer.l_type == F_UNLCK) return;
      errno = EAGAIN;
    }
  }
  if (errno == EAGAIN || errno == EACCES) {
    throw error(read_only_
                    ? "is being written to by another virtual machine; stop that first"
                    : "is in use by another virtual machine; stop that first, or give it to all of them with ,ro");
  }
  // A file system without locks (some network file systems): the user must know who else uses the image.
  log::line(log::Module::kDevices, log::Level::kInfo, "--disk {}: cannot be locked: {}", printable_path_,
            std::generic_category().message(errno));
}

void DiskImage::find_size() {
  const off_t end = ::lseek(fd_.get(), 0, SEEK_END);
  if (end < 0) throw error(std::generic_category().message(errno));
  if (end == 0) throw error(std::format("is empty; {}, such as truncate --size 1G makes", kWanted));
  size_ = align_down(static_cast<uint64_t>(end), kSectorSize);
  if (size_ == 0) throw error(std::format("is shorter than a sector of 512 bytes; {}", kWanted));
  if (size_ != static_cast<uint64_t>(end)) {
    log::line(log::Module::kDevices, log::Level::kWarn,
              "--disk {}: its last {} bytes are not a whole sector of 512, so the guest does not see them",
              printable_path_, static_cast<uint64_t>(end) - size_);
  }
}

void DiskImage::look_at_size() noexcept {
  const off_t end = ::lseek(fd_.get(), 0, SEEK_END);
  if (end < 0) return;  // the old size is the best that we know
  const uint64_t size = align_down(static_cast<uint64_t>(end), logical_block_size());
  if (size == size_) return;
  log::line(log::Module::kDevices, log::Level::kInfo, "--disk {}: has {} bytes now, and had {}", printable_path_, size,
            size_);
  size_ = size;
}

uint64_t DiskImage::size_now() const noexcept {
  struct stat found{};
  if (!is_regular_ || ::fstat(fd_.get(), &found) != 0) return size_;
  return std::min(size_, static_cast<uint64_t>(found.st_size));
}

// Tries it after the end of the file, where nothing can be lost. A file system without holes reports that there too.
bool DiskImage::can_make_holes() const {
  if (!is_regular_) return device_can_make_holes();
  const auto behind = static_cast<off_t>(align_up(size_, kBufferSize));
  const int64_t result =
      retried([&] { return ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, behind, kPage); });
  return result != -EOPNOTSUPP && result != -ENOSYS && result != -EINVAL;
}

// A block device can make a hole if it can set a range to zero without being sent zeroes (Linux, block/fops.c,
// blkdev_fallocate()). A partition has its disk's queue. If sysfs is hidden, we assume that the device can do it.
bool DiskImage::device_can_make_holes() const {
  struct stat found{};
  if (::fstat(fd_.get(), &found) != 0) return true;
  for (const std::string_view queue : {"queue", "../queue"}) {
    uint64_t most_bytes = 0;
    std::ifstream file{std::format("/sys/dev/block/{}:{}/{}/write_zeroes_max_bytes", major(found.st_rdev),
                                   minor(found.st_rdev), queue)};
    if (file >> most_bytes) return most_bytes > 0;
  }
  return true;
}

void DiskImage::refuse_other_formats() {
  alignas(kPage) std::array<std::byte, kPage> first{};
  const auto got = retried([&] { return ::pread(fd_.get(), first.data(), first.size(), 0); });
  if (got < 0) {
    throw error(std::format("cannot be read: {}", std::generic_category().message(static_cast<int>(-got))));
  }
  for (const Format& format : kFormats) {
    if (std::memcmp(first.data() + format.offset, format.magic.data(), format.magic.size()) != 0) continue;
    throw error(
        std::format("is a {0} image, and only raw ones are supported; make one with qemu-img convert -f {0} "
                    "-O raw",
                    format.name));
  }
}

void DiskImage::find_block_size() {
  struct statfs where{};
  if (is_regular_ && ::fstatfs(fd_.get(), &where) == 0) {
    in_memory_ = where.f_type == TMPFS_MAGIC || where.f_type == RAMFS_MAGIC;
  }
  if (!is_regular_) {
    unsigned int physical = 0;
    if (::ioctl(fd_.get(), BLKPBSZGET, &physical) == 0 && std::has_single_bit(physical)) {
      block_size_ = std::clamp<uint32_t>(physical, kSectorSize, kBufferSize);
    }
  }
}

void DiskImage::find_direct_alignment(uint32_t least_block) {
  struct statx found{};
  if (::statx(fd_.get(), "", AT_EMPTY_PATH, STATX_DIOALIGN, &found) != 0 || (found.stx_mask & STATX_DIOALIGN) == 0) {
    // A kernel before Linux 6.1, or a file system that does not say. A read of a hole may succeed before its alignment
    // is checked. So for a disk we do not trust a block size below the one that all disks accept.
    block_size_ = memory_alignment_ = std::max(probe_direct_block(), in_memory_ ? uint32_t{kSectorSize} : kPage);
  } else if (found.stx_dio_offset_align == 0) {
    throw error("has no direct I/O here; leave out direct");
  } else {
    block_size_ = found.stx_dio_offset_align;
    memory_alignment_ = found.stx_dio_mem_align;
  }
  block_size_ = std::max(block_size_, least_block);
  // Linux's drivers do not use blocks larger than a page.
  if (block_size_ > kPage || !std::has_single_bit(block_size_) || !std::has_single_bit(memory_alignment_)) {
    throw error(std::format("its direct I/O works in blocks of {} bytes; leave out direct", block_size_));
  }
  // Otherwise the last sectors could not be written without making the image longer.
  if (size_ % block_size_ != 0) {
    throw error(
        std::format("its size is not a multiple of the {} bytes that its direct I/O works in; leave out direct, "
                    "or make it so with truncate --size %{}",
                    block_size_, block_size_));
  }
  if (block_size_ == kSectorSize) return;
  log::line(log::Module::kDevices, log::Level::kWarn,
            "--disk {}: direct I/O works in blocks of {} bytes, and so does the guest's disk; partitions made for "
            "sectors of 512 bytes are not found on it",
            printable_path_, block_size_);
}

/// The smallest block that can be read, with the offset and the memory aligned to no more than its size.
uint32_t DiskImage::probe_direct_block() {
  for (uint32_t block = kSectorSize; block <= kBufferSize / 2; block *= 2) {
    const auto got = retried([&] { return ::pread(fd_.get(), bounce_.bytes().data() + block, block, block); });
    if (got != -EINVAL) return block;
  }
  throw error("its direct I/O accepts no block size up to 32 KiB; leave out direct");
}

bool DiskImage::is_unaligned(const DiskStep& step) const noexcept {
  if (!direct_ || (step.kind != DiskStep::Kind::kRead && step.kind != DiskStep::Kind::kWrite)) return false;
  if ((step.offset | step.length) % block_size_ != 0) return true;
  return std::ranges::any_of(step.buffers, [this](const iovec& buffer) {
    return reinterpret_cast<uintptr_t>(buffer.iov_base) % memory_alignment_ != 0 || buffer.iov_len % block_size_ != 0;
  });
}

int64_t DiskImage::run(const DiskStep& step) noexcept {
  if (is_unaligned(step)) [[unlikely]]
    return run_unaligned(step);
  const int fd = fd_.get();
  const auto offset = static_cast<off_t>(step.offset);
  const iovec* const buffers = step.buffers.data();
  const int count = static_cast<int>(step.buffers.size());
  switch (step.kind) {
    // Most requests have one buffer, and this is a shorter way through the kernel.
    case DiskStep::Kind::kRead:
      if (count == 1) return retried([&] { return ::pread(fd, buffers->iov_base, buffers->iov_len, offset); });
      return retried([&] { return ::preadv(fd, buffers, count, offset); });
    case DiskStep::Kind::kWrite:
      if (count == 1) return retried([&] { return ::pwrite(fd, buffers->iov_base, buffers->iov_len, offset); });
      return retried([&] { return ::pwritev(fd, buffers, count, offset); });
    case DiskStep::Kind::kAllocate:
      return retried([&] { return ::fallocate(fd, step.mode, offset, static_cast<off_t>(step.length)); });
    case DiskStep::Kind::kSync: return retried([&] { return ::fdatasync(fd); });
  }
  return -EINVAL;
}

// Does the first part of the step, as much as fits, in whole blocks through a buffer of our own. A request has whole
// blocks, but its buffers may cut one, and so may the steps. So a write reads the blocks first, unless it writes them
// whole. Only a guest that writes to the same block by two requests at once can write to it meanwhile.
int64_t DiskImage::run_unaligned(const DiskStep& step) noexcept {
  const LockGuard lock{bounce_mu_};
  const std::span<std::byte> bounce = bounce_.bytes();
  const uint64_t start = align_down(step.offset, block_size_);
  const uint64_t skip = step.offset - start;
  const uint64_t length = std::min(step.length, bounce.size() - skip);
  const uint64_t blocks = align_up(skip + length, block_size_);
  const auto at = static_cast<off_t>(start);
  const auto part = bounce.subspan(skip, length);
  if (step.kind == DiskStep::Kind::kRead || blocks != length) {
    const int64_t got = retried([&] { return ::pread(fd_.get(), bounce.data(), blocks, at); });
    if (got < 0) return got;
    const auto available = static_cast<uint64_t>(got);
    if (step.kind == DiskStep::Kind::kRead) {
      if (available <= skip) return 0;
      return static_cast<int64_t>(copy_to_buffers(step.buffers, 0, part.first(std::min(length, available - skip))));
    }
    if (available != blocks) return -EIO;
  }
  copy_from_buffers(step.buffers, 0, part);
  const int64_t written = retried([&] { return ::pwrite(fd_.get(), bounce.data(), blocks, at); });
  if (written < 0) return written;
  if (static_cast<uint64_t>(written) <= skip) return -EIO;
  return static_cast<int64_t>(std::min(length, static_cast<uint64_t>(written) - skip));
}

}  // namespace rvvmm

// A raw disk image of the host: a regular file or a block device.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/mapping.hpp"
#include "base/mutex.hpp"
#include "devices/block/disk_step.hpp"

namespace rvvmm {

/// Any thread.
class DiskImage {
 public:
  static constexpr uint64_t kSectorSize = 512;

  struct Options {
    std::string path;
    bool read_only = false;
    bool direct = false;                        ///< bypasses the host's page cache (O_DIRECT)
    uint32_t least_direct_block = kSectorSize;  ///< for tests: as if the host accepted no smaller blocks
  };

  /// Opens and locks the image: one writer, or any number of readers (OFD locks, as QEMU takes them too). Throws
  /// SetupError(kBadInput) "--disk <path>: ...": missing, of the wrong kind, empty, in use, or in a format that is not
  /// raw. Never blocks.
  explicit DiskImage(const Options& options);

  int fd() const noexcept { return fd_.get(); }
  /// Bytes, a multiple of logical_block_size(): the size that the guest has been told.
  uint64_t size() const noexcept { return size_; }
  /// Sets size() to the present size of the image, which may have become longer or shorter; 0 if nothing is left of it.
  /// Call it while no request is served.
  void look_at_size() noexcept;
  /// The same, or less if the file has become shorter since.
  uint64_t size_now() const noexcept;
  bool read_only() const noexcept { return read_only_; }
  /// Offsets and lengths are best multiples of this; with direct I/O they must be. A power of two.
  uint32_t block_size() const noexcept { return block_size_; }
  /// The guest's offsets and lengths must be multiples of this: a sector, or a block if I/O is direct. To write a part
  /// of a block we would have to read it first, and to write back what others may have changed since.
  uint32_t logical_block_size() const noexcept { return direct_ ? block_size_ : uint32_t{kSectorSize}; }
  /// True if I/O never waits for a device: the file system is memory. The kernel has no nonblocking I/O on such file
  /// systems, and needs none.
  bool in_memory() const noexcept { return in_memory_; }
  /// Whether what a guest discards can become a hole. It asks the host, and changes nothing in the image.
  bool can_make_holes() const;
  /// 64 KiB of zeroes, to write when there is no better way.
  std::span<std::byte> zeroes() const noexcept { return zeroes_.bytes(); }

  /// Does `step` and waits for it. Returns the bytes that were read or written (0 at the end of the file), 0 for the
  /// other steps, or -errno.
  int64_t run(const DiskStep& step) noexcept;
  /// True for a step that direct I/O would refuse, since its buffers, offset or length are not aligned. Only run() can
  /// do such a step.
  bool is_unaligned(const DiskStep& step) const noexcept;

  /// "--disk <path>: <what>", kBadInput.
  SetupError error(std::string_view what) const;
  /// The path, fit for a line of the log.
  std::string_view printable_path() const noexcept { return printable_path_; }

 private:
  void open(const std::string& path);
  std::string reason_of(int error, const std::string& path) const;
  bool device_can_make_holes() const;
  void find_size();
  void find_block_size();
  void find_direct_alignment(uint32_t least_block);
  uint32_t probe_direct_block();
  void refuse_other_formats();
  void lock();
  int64_t run_unaligned(const DiskStep& step) noexcept;

  const std::string printable_path_;
  const bool read_only_;
  const bool direct_;
  Fd fd_;
  bool is_regular_ = true;
  bool in_memory_ = false;
  uint64_t size_ = 0;
  uint32_t block_size_ = 4096;
  uint32_t memory_alignment_ = 1;
  Mapping zeroes_;
  /// One thread at a time uses the bounce buffer: two that change parts of one block would undo each other's changes.
  Mutex bounce_mu_;
  Mapping bounce_;
};

}  // namespace rvvmm

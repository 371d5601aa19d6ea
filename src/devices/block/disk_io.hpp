// How the thread of a disk's queue does its I/O, and what it sleeps in.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "devices/block/disk_image.hpp"

namespace rvvmm {

/// One thread's: made, used and destroyed by it.
class DiskIo {
 public:
  struct Completion {
    uint16_t tag = 0;    ///< of begin()
    int64_t result = 0;  ///< as that of DiskImage::run()
  };

  virtual ~DiskIo() = default;
  /// The result of a step that is over at once; nullopt for one that comes out of collect() as `tag`.
  virtual std::optional<int64_t> begin(const DiskStep& step, uint16_t tag) noexcept = 0;
  /// What has ended since. With `wait` it sleeps until something has or the doorbell has rung. Gone with the next call.
  virtual std::span<const Completion> collect(bool wait) noexcept = 0;
};

enum class DiskEngine : uint8_t {
  kAuto,      ///< whatever is best for that image on this host
  kBlocking,  ///< each step in the queue's thread, one after another
  kRing,      ///< io_uring where the host has it, else kBlocking
};

/// `doorbell` is a blocking eventfd. Says what it came to at log level info.
std::unique_ptr<DiskIo> make_disk_io(DiskImage& image, int doorbell, DiskEngine engine);

}  // namespace rvvmm

// How the thread of a disk's queue does its I/O, and how it sleeps.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "devices/block/disk_image.hpp"

namespace rvvmm {

/// For one thread, which makes, uses and destroys it.
class DiskIo {
 public:
  struct Completion {
    uint16_t tag = 0;    ///< of begin()
    int64_t result = 0;  ///< as that of DiskImage::run()
  };

  virtual ~DiskIo() = default;
  /// The result of a step that ends at once; nullopt for a step that comes out of collect() later, as `tag`.
  virtual std::optional<int64_t> begin(const DiskStep& step, uint16_t tag) noexcept = 0;
  /// What has ended since the last call. With `wait` it sleeps until a step has ended or the doorbell has rung. The
  /// result is valid until the next call.
  virtual std::span<const Completion> collect(bool wait) noexcept = 0;
};

enum class DiskEngine : uint8_t {
  kAuto,      ///< the best one for that image on this host
  kBlocking,  ///< each step in the queue's thread, one after another
  kRing,      ///< io_uring if the host has it, else kBlocking
};

/// `doorbell` is a blocking eventfd. Logs its choice at level info.
std::unique_ptr<DiskIo> make_disk_io(DiskImage& image, int doorbell, DiskEngine engine);

}  // namespace rvvmm

#include "devices/block/disk_io.hpp"

#include "base/eventfd.hpp"
#include "base/log.hpp"
#include "devices/block/uring_disk_io.hpp"

namespace rvvmm {
namespace {

class BlockingDiskIo final : public DiskIo {
 public:
  BlockingDiskIo(DiskImage& image, int doorbell) noexcept : image_(image), doorbell_(doorbell) {}

  std::optional<int64_t> begin(const DiskStep& step, uint16_t /*tag*/) noexcept override { return image_.run(step); }

  std::span<const Completion> collect(bool wait) noexcept override {
    if (wait) take_count(doorbell_);
    return {};
  }

 private:
  DiskImage& image_;
  const int doorbell_;
};

/// In memory nothing waits, so a ring would only be a detour: the kernel would hand each step to a worker, since these
/// file systems do not promise not to wait. Without a ring a read of a tmpfs file is one system call.
bool wants_ring(const DiskImage& image, DiskEngine engine) noexcept {
  return engine == DiskEngine::kRing || (engine == DiskEngine::kAuto && !image.in_memory());
}

}  // namespace

std::unique_ptr<DiskIo> make_disk_io(DiskImage& image, int doorbell, DiskEngine engine) {
  const auto say = [&image](std::string_view what) {
    log::line(log::Module::kDevices, log::Level::kInfo, "--disk {}: {}", image.printable_path(), what);
  };
  if (wants_ring(image, engine)) {
    if (std::unique_ptr<DiskIo> ring = make_uring_disk_io(image, doorbell)) {
      say("I/O by io_uring");
      return ring;
    }
    say("the host refuses io_uring; I/O one request at a time");
  } else {
    say("I/O one request at a time");
  }
  return std::make_unique<BlockingDiskIo>(image, doorbell);
}

}  // namespace rvvmm

// Any rings, descriptors and request headers of a driver, on a disk of 64 KiB: whatever is asked, the file keeps its
// size, nothing outside RAM is touched (AddressSanitizer), and a request ends in a bounded number of steps with a
// status that the specification knows.
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <format>

#include "devices/block/block_request.hpp"
#include "fakes/fake_virtio_driver.hpp"
#include "fuzz/steps.hpp"

namespace {

using namespace rvvmm;

constexpr Gpa kRam{0x8000'0000};
constexpr uint64_t kRamSize = 64_KiB;
constexpr uint16_t kQueueSize = 16;
constexpr uint64_t kImageSize = 64_KiB;

/// One action of the driver.
struct Step {
  uint8_t action;
  uint8_t index;
  uint16_t offset;
  uint32_t length;
  uint32_t value;
} __attribute__((packed));

DiskImage& disk() {
  static const int fd = [] {
    const int made = ::memfd_create("disk", MFD_CLOEXEC);
    if (made < 0 || ::ftruncate(made, kImageSize) != 0) std::abort();
    return made;
  }();
  static DiskImage image{{.path = std::format("/proc/self/fd/{}", fd)}};
  return image;
}

class Guest {
 public:
  explicit Guest(uint8_t choice)
      : rules_{.serial = "fuzz",
               .writethrough = (choice & 1) != 0,
               .may_discard = (choice & 2) != 0,
               .may_write_zeroes = (choice & 4) != 0,
               .may_unmap = (choice & 8) != 0} {
    std::string_view why;
    queue_ = Virtqueue::create(memory_, driver_.layout(), {.indirect = (choice & 16) != 0}, why);
  }

  void run(const Step& step) {
    const Gpa at = kRam + 0x1000 + step.offset % (kRamSize - 0x2000);
    switch (step.action % 5) {
      // Mostly what a driver does, with lengths and places that now and then leave RAM.
      case 0:
        driver_.set_descriptor(step.index % kQueueSize,
                               {.address = (step.action & 0x80) != 0 ? step.value : at.value,
                                .length = (step.action & 0x40) != 0 ? step.length : step.length % 1100,
                                .flags = static_cast<uint16_t>(step.index >> 4 & 7),
                                .next = static_cast<uint16_t>(step.value % (kQueueSize + 1))});
        break;
      case 1:
        memory_.store(at, virtio_blk_outhdr{.type = step.index % 16U,
                                            .ioprio = 0,
                                            .sector = (step.action & 0x80) != 0 ? step.value * uint64_t{0x1'0000'0001}
                                                                                : step.value % 129});
        break;
      case 2:
        memory_.store(at, virtio_blk_discard_write_zeroes{
                              .sector = step.value % 129, .num_sectors = step.length, .flags = step.index % 4U});
        break;
      case 3: memory_.store(at, step.value); break;
      default:
        driver_.offer(step.index % kQueueSize);
        serve();
        break;
    }
  }

 private:
  void serve() {
    while (queue_->pop(request_.chain())) {
      if (!request_.begin(disk(), rules_)) continue;
      if (request_.writes_up_to() > kImageSize) std::abort();
      int steps = 0;
      while (const auto step = request_.next_step()) {
        if (++steps > 64) std::abort();
        if (step->length > BlockRequest::kMostBytesOfStep || step->offset + step->length > kImageSize) std::abort();
        request_.step_ended(disk().run(*step));
      }
      if (request_.finish() > request_.chain().writable_bytes() || disk().size_now() != kImageSize) std::abort();
      uint8_t status = 0xFF;
      copy_from_buffers(request_.chain().writable(), request_.chain().writable_bytes() - 1,
                        std::as_writable_bytes(std::span{&status, 1}));
      if (status > VIRTIO_BLK_S_UNSUPP) std::abort();
      queue_->push(request_.chain(), 0);
    }
  }

  const GuestMemory memory_{kRam, kRamSize};
  FakeDriverQueue driver_{memory_, kRam, kQueueSize};
  BlockRules rules_;
  std::optional<Virtqueue> queue_;
  std::array<iovec, BlockRequest::kRoom> room_{};
  BlockRequest request_{room_};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Guest guest{data[0]};
  for_each_step<Step>(std::span{data, size}.subspan(1), [&](const Step& step) { guest.run(step); });
  return 0;
}

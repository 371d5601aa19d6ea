#include "devices/block/uring_disk_io.hpp"

#include <poll.h>

#include <array>
#include <cerrno>

#include "base/log.hpp"

namespace rvvmm {
namespace {

// Steps that wait for the next system call; one more step makes that call. The queue limits what is in flight.
constexpr unsigned kSubmissions = 128;
constexpr unsigned kCompletions = 1024;
constexpr uint64_t kDoorbell = UINT64_MAX;

/// The doorbell is a poll that stays armed: each kick is a completion, and the eventfd is never read.
class UringDiskIo final : public DiskIo {
 public:
  UringDiskIo(DiskImage& image, int doorbell) noexcept : image_(image), doorbell_(doorbell) {}
  ~UringDiskIo() override {
    if (ready_) ::io_uring_queue_exit(&ring_);
  }
  UringDiskIo(const UringDiskIo&) = delete;
  UringDiskIo& operator=(const UringDiskIo&) = delete;

  /// 0 or -errno.
  int set_up() noexcept;
  std::optional<int64_t> begin(const DiskStep& step, uint16_t tag) noexcept override;
  std::span<const Completion> collect(bool wait) noexcept override;

 private:
  io_uring_sqe* next_entry() noexcept;
  void arm_doorbell() noexcept;

  DiskImage& image_;
  const int doorbell_;
  io_uring ring_{};
  bool ready_ = false;
  bool armed_ = false;
  std::array<Completion, kCompletions> completions_{};
};

int UringDiskIo::set_up() noexcept {
  io_uring_params parameters{};
  parameters.cq_entries = kCompletions;
  // Completions are processed when this thread asks, and do not interrupt what it does (Linux 6.1).
  parameters.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  int error = ::io_uring_queue_init_params(kSubmissions, &ring_, &parameters);
  if (error == -EINVAL) {
    parameters = {};
    parameters.cq_entries = kCompletions;
    parameters.flags = IORING_SETUP_CQSIZE;
    error = ::io_uring_queue_init_params(kSubmissions, &ring_, &parameters);
  }
  if (error != 0) return error;
  ready_ = true;
  // Needs Linux 5.13, which also brought polls that stay armed.
  if ((parameters.features & IORING_FEAT_RSRC_TAGS) == 0) return -ENOSYS;
  // This only saves the kernel the look-up of the descriptor. The image is not registered: the kernel frees a ring
  // late, and would keep the image, and with it the lock on it, for a while after we have ended.
  ::io_uring_register_ring_fd(&ring_);
  return 0;
}

io_uring_sqe* UringDiskIo::next_entry() noexcept {
  io_uring_sqe* entry = ::io_uring_get_sqe(&ring_);
  if (entry != nullptr) return entry;
  ::io_uring_submit(&ring_);
  return ::io_uring_get_sqe(&ring_);
}

void UringDiskIo::arm_doorbell() noexcept {
  io_uring_sqe* const entry = next_entry();
  if (entry == nullptr) return;  // the kernel accepts nothing for now; the next collect() tries again
  ::io_uring_prep_poll_multishot(entry, doorbell_, POLLIN);
  ::io_uring_sqe_set_data64(entry, kDoorbell);
  armed_ = true;
}

std::optional<int64_t> UringDiskIo::begin(const DiskStep& step, uint16_t tag) noexcept {
  if (image_.is_unaligned(step)) return image_.run(step);
  io_uring_sqe* const entry = next_entry();
  if (entry == nullptr) return image_.run(step);
  fill_submission(*entry, image_.fd(), step);
  ::io_uring_sqe_set_data64(entry, tag);
  return std::nullopt;
}

std::span<const DiskIo::Completion> UringDiskIo::collect(bool wait) noexcept {
  if (!armed_) arm_doorbell();
  // Errors are temporary (a signal, no memory): the caller comes again.
  if (wait) {
    ::io_uring_submit_and_wait(&ring_, 1);
  } else {
    ::io_uring_submit_and_get_events(&ring_);
  }
  std::array<io_uring_cqe*, kCompletions> ended;
  const unsigned count = ::io_uring_peek_batch_cqe(&ring_, ended.data(), kCompletions);
  size_t steps = 0;
  for (unsigned i = 0; i < count; ++i) {
    const io_uring_cqe& entry = *ended[i];
    const uint64_t tag = ::io_uring_cqe_get_data64(&entry);
    if (tag == kDoorbell) {
      if ((entry.flags & IORING_CQE_F_MORE) == 0) armed_ = false;
    } else {
      completions_[steps++] = {.tag = static_cast<uint16_t>(tag), .result = entry.res};
    }
  }
  ::io_uring_cq_advance(&ring_, count);
  return std::span{completions_}.first(steps);
}

}  // namespace

void fill_submission(io_uring_sqe& entry, int fd, const DiskStep& step) noexcept {
  const iovec* const buffers = step.buffers.data();
  const auto count = static_cast<unsigned>(step.buffers.size());
  const auto one_length = static_cast<unsigned>(count == 1 ? buffers->iov_len : 0);
  switch (step.kind) {
    case DiskStep::Kind::kRead:
      if (count == 1) {
        ::io_uring_prep_read(&entry, fd, buffers->iov_base, one_length, step.offset);
      } else {
        ::io_uring_prep_readv(&entry, fd, buffers, count, step.offset);
      }
      break;
    case DiskStep::Kind::kWrite:
      if (count == 1) {
        ::io_uring_prep_write(&entry, fd, buffers->iov_base, one_length, step.offset);
      } else {
        ::io_uring_prep_writev(&entry, fd, buffers, count, step.offset);
      }
      break;
    case DiskStep::Kind::kAllocate: ::io_uring_prep_fallocate(&entry, fd, step.mode, step.offset, step.length); break;
    case DiskStep::Kind::kSync: ::io_uring_prep_fsync(&entry, fd, IORING_FSYNC_DATASYNC); break;
  }
}

std::unique_ptr<DiskIo> make_uring_disk_io(DiskImage& image, int doorbell) {
  auto io = std::make_unique<UringDiskIo>(image, doorbell);
  const int error = io->set_up();
  if (error == 0) return io;
  log::line(log::Module::kDevices, log::Level::kInfo, "--disk {}: io_uring: error {}", image.printable_path(), -error);
  return nullptr;
}

}  // namespace rvvmm

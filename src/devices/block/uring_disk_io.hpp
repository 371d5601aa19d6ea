// Disk I/O by io_uring.
#pragma once

#include <liburing.h>

#include <memory>

#include "devices/block/disk_io.hpp"

namespace rvvmm {

/// `step` on `fd` as a submission; a flush is an fdatasync(2).
void fill_submission(io_uring_sqe& entry, int fd, const DiskStep& step) noexcept;

/// nullptr if the host refuses io_uring (too old, switched off, or forbidden by a sandbox). Called by the thread
/// that uses it.
std::unique_ptr<DiskIo> make_uring_disk_io(DiskImage& image, int doorbell);

}  // namespace rvvmm

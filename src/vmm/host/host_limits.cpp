#include "vmm/host/host_limits.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <format>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace rvvmm {
namespace {

// For KVM and its VM, the guest's files, the event loop with its timers and signals, the console, the log, and devices
// that exist once. About half of these are really used.
constexpr rlim_t kOthers = 32;

/// How many descriptors rvvmm was started with. They have the lowest numbers; the next descriptor gets the number
/// after.
rlim_t already_open() noexcept {
  const Fd next{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)};
  return next ? static_cast<rlim_t>(next.get()) : 0;
}

}  // namespace

void make_room_for_descriptors(uint32_t harts, uint32_t devices) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  const rlim_t others = already_open() + kOthers + devices;
  const rlim_t needed = others + harts;
  if (needed <= files.rlim_cur) return;
  // Fewer harts or devices would not help.
  if (const rlim_t least = needed - devices - (harts - 1); least > files.rlim_max) {
    throw SetupError{
        ExitStatus::kUsage,
        std::format("even one hart without disks and networks needs {} open files, and this host allows {} "
                    "(ulimit -Hn); raise that limit",
                    least, files.rlim_max)};
  }
  if (devices > 0 && others >= files.rlim_max) {
    throw SetupError{ExitStatus::kUsage,
                     std::format("--disk, --net: need {} open files with all that goes with them, and this host allows "
                                 "{} (ulimit -Hn); give fewer of them or fewer queues, or raise that limit",
                                 needed, files.rlim_max)};
  }
  if (needed > files.rlim_max) {
    throw SetupError{ExitStatus::kUsage,
                     std::format("--smp {}: needs {} open files, and this host allows {} (ulimit -Hn); give at most "
                                 "--smp {}, or raise that limit",
                                 harts, needed, files.rlim_max, files.rlim_max - others)};
  }
  files.rlim_cur = needed;
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) {
    throw SetupError::from_errno(ExitStatus::kInternal, std::format("--smp {}: raising the limit of open files", harts),
                                 errno);
  }
}

}  // namespace rvvmm

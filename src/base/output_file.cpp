#include "base/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <format>
#include <utility>

#include "base/printable.hpp"

namespace rvvmm {

OutputFile::OutputFile(const std::string& option, const std::string& path, Start start, Reader reader)
    : option_(option), path_(path), to_empty_(start == Start::kEmptied) {
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (start == Start::kAtEnd ? O_APPEND : 0) |
                    (reader == Reader::kNotWaitedFor ? O_NONBLOCK : 0);
  fd_ = Fd{::open(path.c_str(), flags | O_EXCL, 0666)};
  made_ = static_cast<bool>(fd_);
  if (!fd_) fd_ = Fd{::open(path.c_str(), flags, 0666)};
  if (!fd_) throw error(ExitStatus::kUsage, errno);
}

SetupError OutputFile::error(ExitStatus status, int errno_value) const {
  return SetupError::from_errno(status, std::format("{} {}: cannot be written", option_, printable(path_)),
                                errno_value);
}

int OutputFile::write(std::span<const std::byte> bytes) noexcept {
  // EINVAL: a pipe or a device, which has nothing to empty.
  if (std::exchange(to_empty_, false) && ::ftruncate(fd_.get(), 0) != 0 && errno != EINVAL) return errno;
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd_.get(), bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return errno;
    bytes = bytes.subspan(static_cast<size_t>(done));
  }
  return 0;
}

void OutputFile::remove_if_unused() const noexcept {
  struct stat now{};
  if (made_ && ::stat(path_.c_str(), &now) == 0 && now.st_size == 0) ::unlink(path_.c_str());
}

void OutputFile::remove() const noexcept {
  struct stat now{};
  if (::lstat(path_.c_str(), &now) == 0 && S_ISREG(now.st_mode)) ::unlink(path_.c_str());
}

}  // namespace rvvmm

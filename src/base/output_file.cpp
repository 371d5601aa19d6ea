#include "base/output_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <format>
#include <system_error>
#include <utility>

#include "base/printable.hpp"
#include "base/waiting_write.hpp"

namespace rvvmm {
namespace {

constinit const std::atomic<bool> kNobodyGivesUp = false;

bool is_fifo(const std::string& path) noexcept {
  struct stat now{};
  return ::stat(path.c_str(), &now) == 0 && S_ISFIFO(now.st_mode);
}

bool wait(int fd, OutputFile::GiveUp give_up) noexcept {
  return give_up == OutputFile::kSoon ? has_room_within(fd, kReaderPatience) : wait_for_room(fd, *give_up);
}

}  // namespace

const OutputFile::GiveUp OutputFile::kNever = &kNobodyGivesUp;

OutputFile::OutputFile(const std::string& option, const std::string& path, Start start)
    : option_(option), path_(path), to_empty_(start == Start::kEmptied) {
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (start == Start::kAtEnd ? O_APPEND : 0);
  fd_ = Fd{::open(path.c_str(), flags | O_EXCL, 0666)};
  made_ = static_cast<bool>(fd_);
  if (!fd_) fd_ = Fd{::open(path.c_str(), flags, 0666)};
  if (!fd_) throw error(ExitStatus::kUsage, errno);
}

SetupError OutputFile::error(ExitStatus status, int errno_value) const {
  std::string why = std::generic_category().message(errno_value);
  if (errno_value == ENXIO && is_fifo(path_)) why = "it is a FIFO that nobody reads; start its reader first";
  if (errno_value == EAGAIN) why = "its reader does not read";
  return {status, std::format("{} {}: cannot be written: {}", option_, printable(path_), why)};
}

int OutputFile::write(std::span<const std::byte> bytes, GiveUp give_up) noexcept {
  // EINVAL: a pipe or a device, which cannot be truncated.
  if (std::exchange(to_empty_, false) && ::ftruncate(fd_.get(), 0) != 0 && errno != EINVAL) return errno;
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd_.get(), bytes.data(), bytes.size());
    if (done >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(done));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return errno;
    if (!wait(fd_.get(), give_up)) return EAGAIN;
  }
  return 0;
}

void OutputFile::write_whole(std::span<const std::byte> bytes, GiveUp give_up) {
  const int problem = write(bytes, give_up);
  if (problem == 0) return;
  remove();
  throw error(ExitStatus::kInternal, problem);
}

void OutputFile::remove_if_unused() const noexcept {
  struct stat now{};
  if (made_ && ::stat(path_.c_str(), &now) == 0 && now.st_size == 0) ::unlink(path_.c_str());
}

// rvvmm must not remove a device, a pipe or a symbolic link.
void OutputFile::remove() const noexcept {
  struct stat now{};
  if (::lstat(path_.c_str(), &now) == 0 && S_ISREG(now.st_mode)) ::unlink(path_.c_str());
}

}  // namespace rvvmm

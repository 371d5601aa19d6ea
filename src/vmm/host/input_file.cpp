#include "vmm/host/input_file.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <format>
#include <system_error>
#include <utility>
#include <vector>

#include "base/file_kind.hpp"
#include "base/printable.hpp"
#include "base/size_text.hpp"

namespace rvvmm {
namespace {

constexpr size_t kPipeChunk = 64_KiB;  // capacity of a pipe

std::string reason_of(int error, const std::string& path) {
  struct stat found{};
  switch (error) {
    case ENOENT: return "no such file";
    case ENOTDIR: return "a part of the path is not a directory";
    case EACCES: return "no permission to read it";
    // A socket cannot be opened at all.
    case ENXIO: return ::stat(path.c_str(), &found) == 0 ? std::string{file_kind(found.st_mode)} : "cannot be opened";
    default: return std::generic_category().message(error);
  }
}

}  // namespace

InputFile::InputFile(std::string option, std::string path, std::string wanted, uint64_t most_from_pipe)
    : option_(std::move(option)), path_(std::move(path)), wanted_(std::move(wanted)) {
  // O_NONBLOCK: else open() of a FIFO would wait for a writer, before fstat() can show that it is a FIFO.
  fd_ = Fd{::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!fd_) throw error(std::format("{}; give {}", reason_of(errno, path_), wanted_));
  struct stat found{};
  if (::fstat(fd_.get(), &found) != 0) throw error(reason_of(errno, path_));
  if (S_ISFIFO(found.st_mode)) {
    fd_ = copy_of(fd_, most_from_pipe);
    return;
  }
  const std::string_view kind = file_kind(found.st_mode);
  if (!kind.empty()) throw error(std::format("{}; give {}", kind, wanted_));
  if (found.st_size <= 0) throw error(std::format("is empty; give {}", wanted_));
}

Fd InputFile::copy_of(const Fd& pipe, uint64_t most) const {
  Fd copy{::memfd_create("rvvmm-input", MFD_CLOEXEC)};
  if (!copy) throw error(std::format("cannot be copied to memory: {}", std::generic_category().message(errno)));
  std::vector<std::byte> buffer(kPipeChunk);
  uint64_t size = 0;
  for (;;) {
    const ssize_t got = ::read(pipe.get(), buffer.data(), buffer.size());
    if (got == 0) break;
    if (got < 0 && errno == EAGAIN) {
      pollfd ready{.fd = pipe.get(), .events = POLLIN, .revents = 0};
      ::poll(&ready, 1, -1);
    } else if (got < 0 && errno != EINTR) {
      throw error(std::format("cannot be read: {}", std::generic_category().message(errno)));
    }
    if (got < 0) continue;
    size += static_cast<uint64_t>(got);
    if (size > most) throw error(std::format("is a pipe with more than {} in it; give a file", size_text(most)));
    // A memfd takes all bytes, or none if there is no memory.
    if (::write(copy.get(), buffer.data(), static_cast<size_t>(got)) != got) {
      throw error(std::format("cannot be copied to memory: {}", std::generic_category().message(errno)));
    }
  }
  // There is no writer, or the writer has failed, such as the shell's `<(zcat nofile)`.
  if (size == 0) throw error(std::format("is a FIFO that nobody has written to; give {}", wanted_));
  return copy;
}

uint64_t InputFile::size() const {
  struct stat found{};
  if (::fstat(fd_.get(), &found) != 0) throw error(std::generic_category().message(errno));
  if (found.st_size <= 0) throw error(std::format("is empty; give {}", wanted_));
  return static_cast<uint64_t>(found.st_size);
}

void InputFile::read(uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const size_t wanted = std::min<size_t>(out.size(), kCheckpointBytes);
    const ssize_t got = ::pread(fd_.get(), out.data(), wanted, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw error(std::format("cannot be read: {}", std::generic_category().message(errno)));
    if (got == 0) throw error(std::format("ends at byte {}: it became shorter while rvvmm read it", offset));
    out = out.subspan(static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
    advance(static_cast<uint64_t>(got));
  }
}

void InputFile::advance(uint64_t bytes) const {
  since_checkpoint_ += bytes;
  if (since_checkpoint_ < kCheckpointBytes) return;
  since_checkpoint_ = 0;
  if (checkpoint_) checkpoint_();
}

SetupError InputFile::error(std::string_view what) const {
  return SetupError{ExitStatus::kBadInput, std::format("{} {}: {}", option_, printable(path_), what)};
}

}  // namespace rvvmm

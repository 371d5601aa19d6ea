// A file for a test of disks, gone with the test.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"

namespace rvvmm {

class TemporaryImage {
 public:
  explicit TemporaryImage(uint64_t size) : path_("/tmp/rvvmm-disk-XXXXXX"), fd_(::mkstemp(path_.data())) {
    resize(size);
  }
  ~TemporaryImage() { ::unlink(path_.c_str()); }
  TemporaryImage(const TemporaryImage&) = delete;
  TemporaryImage& operator=(const TemporaryImage&) = delete;

  const std::string& path() const noexcept { return path_; }
  void resize(uint64_t size) const {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) std::abort();
  }
  void write(uint64_t offset, std::string_view bytes) const {
    const ssize_t written = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written != static_cast<ssize_t>(bytes.size())) std::abort();
  }
  std::string read(uint64_t offset, size_t length) const {
    std::string bytes(length, '\0');
    const ssize_t got = ::pread(fd_.get(), bytes.data(), length, static_cast<off_t>(offset));
    bytes.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return bytes;
  }
  uint64_t size() const { return static_cast<uint64_t>(status().st_size); }
  /// Bytes that the file takes on its file system: less where it has holes.
  uint64_t allocated() const { return static_cast<uint64_t>(status().st_blocks) * 512; }

 private:
  struct stat status() const {
    struct stat found{};
    if (::fstat(fd_.get(), &found) != 0) std::abort();
    return found;
  }

  std::string path_;
  Fd fd_;
};

}  // namespace rvvmm

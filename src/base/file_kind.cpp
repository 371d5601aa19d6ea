#include "base/file_kind.hpp"

#include <sys/stat.h>

namespace rvvmm {

std::string_view file_kind(mode_t mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFREG: return {};
    case S_IFDIR: return "is a directory";
    case S_IFIFO: return "is a FIFO";
    case S_IFSOCK: return "is a socket";
    case S_IFCHR: return "is a character device";
    case S_IFBLK: return "is a block device";
    default: return "is not a regular file";
  }
}

}  // namespace rvvmm

// What stands at a path, in the words of our error lines.
#pragma once

#include <sys/types.h>

#include <string_view>

namespace rvvmm {

/// "is a directory", "is a FIFO", ... for a file's st_mode; empty for a regular file.
std::string_view file_kind(mode_t mode) noexcept;

}  // namespace rvvmm

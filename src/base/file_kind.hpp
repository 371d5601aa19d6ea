// The type of a file at a path, in the words of the error lines.
#pragma once

#include <sys/types.h>

#include <string_view>

namespace rvvmm {

/// "is a directory", "is a FIFO", ... for a file's st_mode; empty for a regular file.
std::string_view file_kind(mode_t mode) noexcept;

}  // namespace rvvmm

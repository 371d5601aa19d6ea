// Sizes of guest memory as users write them.
#pragma once

#include <cstdint>
#include <string>

namespace rvvmm {

/// In the form that --mem takes, with the largest suffix that divides it: "200T", "256M", "8589934588K".
std::string mem_text(uint64_t bytes);

}  // namespace rvvmm

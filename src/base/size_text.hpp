// Sizes as users write them, and as people read them.
#pragma once

#include <cstdint>
#include <string>

namespace rvvmm {

/// In the form that --mem takes, with the largest suffix that divides it: "200T", "256M", "8589934588K".
std::string mem_text(uint64_t bytes);
/// For a sentence: "3 GiB", "38 MiB", "5 KiB", "100 bytes": in the largest unit that divides it, or rounded up to KiB
/// or MiB.
std::string size_text(uint64_t bytes);

}  // namespace rvvmm

// Sizes as users type them and as messages show them.
#pragma once

#include <cstdint>
#include <string>

namespace rvvmm {

/// In the form that --mem takes, with the largest suffix that divides the size: "200T", "256M", "8589934588K".
std::string mem_text(uint64_t bytes);
/// For messages: "3 GiB", "38 MiB", "5 KiB", "100 bytes". Whole GiB are shown in GiB. Other sizes are rounded up to MiB
/// or KiB; sizes below 1 KiB are exact.
std::string size_text(uint64_t bytes);

}  // namespace rvvmm

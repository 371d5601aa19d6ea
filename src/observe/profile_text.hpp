// A profile as text tables, alone or compared with another profile.
#pragma once

#include <string>

#include "observe/exit_profile.hpp"

namespace rvvmm {

/// "0", "850 ns", "12.3 us", "4.56 ms", "7.8 s": at most three significant digits.
std::string duration_text(double ns);
/// "1,234,567".
std::string count_text(uint64_t count);

std::string profile_to_text(const ExitProfile& profile);

/// Compares what each kind of exit costs in `profile` and in `before`. Sorted by the additional time in user space,
/// largest first.
std::string comparison_to_text(const ExitProfile& profile, const ExitProfile& before);

}  // namespace rvvmm

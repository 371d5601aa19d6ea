// A profile as tables that people read, alone or beside another.
#pragma once

#include <string>

#include "observe/exit_profile.hpp"

namespace rvvmm {

/// "0", "850 ns", "12.3 us", "4.56 ms", "7.8 s": three digits, as far as there are.
std::string duration_text(double ns);
/// "1,234,567".
std::string count_text(uint64_t count);

std::string profile_to_text(const ExitProfile& profile);

/// What each kind of exit costs in `profile` beside what it cost in `before`: first what takes more time in user space
/// than before, by how much; then the rest.
std::string comparison_to_text(const ExitProfile& profile, const ExitProfile& before);

}  // namespace rvvmm

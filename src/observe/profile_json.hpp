// A profile as JSON (docs/profiling.md), written and read.
#pragma once

#include <string>
#include <string_view>

#include "observe/exit_profile.hpp"

namespace rvvmm {

/// Also contains values that can be computed from the histograms, for readers that use other tools.
std::string profile_to_json(const ExitProfile& profile);

/// Throws SetupError (kBadInput) "<file>: <what is wrong>; <what would be right>".
ExitProfile profile_from_json(std::string_view text, const std::string& file);

}  // namespace rvvmm

// A profile as one HTML page, without scripts and external resources.
#pragma once

#include <optional>
#include <string>

#include "observe/exit_profile.hpp"

namespace rvvmm {

/// With `before`, the page also shows what changed since then.
std::string profile_to_html(const ExitProfile& profile, const std::optional<ExitProfile>& before);

}  // namespace rvvmm

// A profile as one page of HTML that needs no network and no script.
#pragma once

#include <optional>
#include <string>

#include "observe/exit_profile.hpp"

namespace rvvmm {

/// With `before`: what changed since then as well.
std::string profile_to_html(const ExitProfile& profile, const std::optional<ExitProfile>& before);

}  // namespace rvvmm

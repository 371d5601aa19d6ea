// What options mean to each other: the one place that refuses options which cannot go together.
#pragma once

#include "vmm/options/config.hpp"

namespace rvvmm {

/// Of a configuration that is complete, and whose options are right each by itself. Options that a host or a terminal
/// decides about are checked where those are known. Throws SetupError (kUsage) for the first rule that is broken.
void check_rules(const Config& config);

}  // namespace rvvmm

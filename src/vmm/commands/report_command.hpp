// `rvvmm report`: prints a profile, compares two profiles, or makes an HTML page of a profile.
#pragma once

#include <string>

#include "vmm/options/report_options.hpp"

namespace rvvmm {

/// Returns the text for stdout. Throws SetupError: kBadInput for the input files, kUsage or kInternal for --html.
std::string run_report(const ReportRequest& request);

}  // namespace rvvmm

// `rvvmm report`: draws a profile again, compares two, makes a page of one.
#pragma once

#include <string>

#include "vmm/options/report_options.hpp"

namespace rvvmm {

/// What goes to stdout. Throws SetupError: kBadInput for the files that are read, kUsage or kInternal for --html.
std::string run_report(const ReportRequest& request);

}  // namespace rvvmm

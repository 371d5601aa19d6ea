// Text from outside, made fit for one line of a log or of stderr.
#pragma once

#include <string>
#include <string_view>

namespace rvvmm {

/// Control characters as '?'. Bytes above 0x7f stay as they are, save those that begin UTF-8's own control characters
/// (U+0080 to U+009F), which some terminals obey.
std::string printable(std::string_view text);

}  // namespace rvvmm

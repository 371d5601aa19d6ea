// Shows flight records and JSON traces as text.
#pragma once

#include <string>
#include <string_view>

namespace rvvmm {

/// Whether a file begins like a flight record or a JSON trace.
bool is_exit_log(std::string_view text) noexcept;

/// One line per exit, with its time relative to the last exit. If exits have registers, shows those that changed since
/// the hart's previous exit with registers. At the end, the registers of each hart. Throws SetupError (kBadInput)
/// "<file>: <what is wrong; what would be right>".
std::string exit_log_to_text(std::string_view text, const std::string& file);

}  // namespace rvvmm

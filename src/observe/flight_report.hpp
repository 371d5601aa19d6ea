// Flight records and traces in JSON, drawn for people.
#pragma once

#include <string>
#include <string_view>

namespace rvvmm {

/// Whether a file begins as a flight record or a trace does.
bool is_exit_log(std::string_view text) noexcept;

/// One line an exit, times before the last one; registers of an exit as what changed since the hart's exit before it
/// that has them; at the end those of each hart. Throws SetupError (kBadInput) "<file>: <what is wrong; what would be
/// right>".
std::string exit_log_to_text(std::string_view text, const std::string& file);

}  // namespace rvvmm

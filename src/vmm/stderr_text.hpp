// Lines for who watches stderr, past the log.
#pragma once

#include <string_view>

namespace rvvmm {

/// All of `text`, or what fits where stderr ends. Where that is a terminal, which is in raw mode for the guest, a line
/// ends in "\r\n". Any thread.
void show_on_stderr(std::string_view text) noexcept;
/// The same for who has looked whether it is a terminal; errno of what went wrong, or 0.
int write_to_stderr(std::string_view text, bool is_terminal) noexcept;

}  // namespace rvvmm

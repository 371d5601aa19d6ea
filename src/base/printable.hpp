// Makes text from outside safe to print in one line of a log or of stderr.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace rvvmm {

/// Every byte of a control character (U+0000 to U+001F, U+007F to U+009F), and every byte that is not valid UTF-8,
/// becomes '?'. No other thread may write to `text` during the call.
void make_printable(std::span<char> text) noexcept;

/// A copy, made printable.
std::string printable(std::string_view text);

}  // namespace rvvmm

// Text from outside, made fit for one line of a log or of stderr.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace rvvmm {

/// Every byte of a control character (U+0000 to U+001F, U+007F to U+009F), and every byte that is no UTF-8, becomes
/// '?'. Nobody else may write `text` meanwhile.
void make_printable(std::span<char> text) noexcept;

/// A copy, made printable.
std::string printable(std::string_view text);

}  // namespace rvvmm

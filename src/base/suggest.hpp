// "did you mean": the known name that is nearest to what was typed.
#pragma once

#include <span>
#include <string_view>

namespace rvvmm {

/// The first candidate that begins with `typed` (two letters at least), or else the one with the fewest edits (insert,
/// delete, replace, swap of neighbours), the first of equals; empty if none is near: more than two edits, or more
/// than a third of the typed letters.
std::string_view nearest_name(std::string_view typed, std::span<const std::string_view> candidates) noexcept;

}  // namespace rvvmm

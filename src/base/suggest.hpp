// For "did you mean": the known name that is nearest to the typed one.
#pragma once

#include <span>
#include <string_view>

namespace rvvmm {

/// The first candidate that begins with `typed` (at least two letters). Otherwise the candidate with the fewest edits
/// (insert, delete, replace, swap of neighbours); the first one if several are equal. Empty if every candidate needs
/// more than two edits, or more edits than a third of the typed letters.
std::string_view nearest_name(std::string_view typed, std::span<const std::string_view> candidates) noexcept;

}  // namespace rvvmm

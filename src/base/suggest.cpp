#include "base/suggest.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

namespace rvvmm {
namespace {

constexpr size_t kMaxLength = 32;  // longer words are not misspelt names
constexpr size_t kMaxEdits = 2;

// Optimal string alignment distance. Three rows of the table are enough.
size_t edit_distance(std::string_view a, std::string_view b) noexcept {
  using Row = std::array<size_t, kMaxLength + 1>;
  Row before{};
  Row last{};
  Row row{};
  for (size_t j = 0; j <= b.size(); ++j)
    last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = std::exchange(last, row);
  }
  return last[b.size()];
}

}  // namespace

std::string_view nearest_name(std::string_view typed, std::span<const std::string_view> candidates) noexcept {
  if (typed.size() > kMaxLength) return {};
  std::string_view best;
  size_t best_edits = std::min(kMaxEdits, typed.size() / 3) + 1;
  for (const std::string_view candidate : candidates) {
    if (candidate.size() > kMaxLength) continue;
    const bool abbreviated = typed.size() >= 2 && candidate.starts_with(typed);
    const size_t edits = abbreviated ? 0 : edit_distance(typed, candidate);
    if (edits >= best_edits) continue;
    best = candidate;
    best_edits = edits;
  }
  return best;
}

}  // namespace rvvmm

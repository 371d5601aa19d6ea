#include "observe/exit_profile.hpp"

#include <algorithm>
#include <tuple>

#include "observe/exit_names.hpp"

namespace rvvmm {
namespace {

void add_row(std::vector<ProfileRow>& into, ExitKind kind, std::string_view name, const ExitCosts& costs) {
  const auto same = [&](const ProfileRow& row) { return row.kind == kind && row.name == name; };
  if (const auto at = std::ranges::find_if(into, same); at != into.end()) {
    at->costs.merge(costs);
  } else {
    into.push_back({.kind = kind, .name = std::string{name}, .costs = costs});
  }
}

void sort_rows(std::vector<ProfileRow>& rows) {
  const auto weight = [](const ProfileRow& row) { return std::tuple{row.costs.user.total, row.costs.user.count()}; };
  std::ranges::stable_sort(rows, std::greater{}, weight);
}

}  // namespace

void merge_rows(std::vector<ProfileRow>& into, const std::vector<ProfileRow>& rows) {
  for (const ProfileRow& row : rows)
    add_row(into, row.kind, row.name, row.costs);
}

void fold_rows(std::vector<ProfileRow>& rows, size_t most) {
  if (rows.size() <= most) return;
  const std::vector<ProfileRow> behind(rows.begin() + static_cast<ptrdiff_t>(most), rows.end());
  rows.resize(most);
  for (const ProfileRow& row : behind)
    add_row(rows, row.kind, kOtherExits, row.costs);
}

void merge_statistics(std::vector<Statistic>& into, const std::vector<Statistic>& statistics) {
  for (const Statistic& statistic : statistics) {
    const auto at = std::ranges::find(into, statistic.name, &Statistic::name);
    if (at == into.end()) {
      into.push_back(statistic);
      continue;
    }
    at->values.resize(std::max(at->values.size(), statistic.values.size()));
    for (size_t i = 0; i < statistic.values.size(); ++i)
      at->values[i] += statistic.values[i];
  }
}

std::vector<ProfileRow> rows_of_all(const ExitProfile& profile) {
  std::vector<ProfileRow> all;
  for (const ProfileHart& hart : profile.harts)
    merge_rows(all, hart.rows);
  sort_rows(all);
  return all;
}

std::vector<ProfileRow> by_kind(const std::vector<ProfileRow>& rows) {
  std::vector<ProfileRow> kinds;
  for (const ProfileRow& row : rows)
    add_row(kinds, row.kind, name_of(row.kind), row.costs);
  sort_rows(kinds);
  return kinds;
}

}  // namespace rvvmm

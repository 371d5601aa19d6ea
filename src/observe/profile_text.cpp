#include "observe/profile_text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <format>
#include <optional>
#include <ranges>
#include <utility>

#include "observe/exit_names.hpp"

namespace rvvmm {
namespace {

constexpr size_t kMostShownRows = 40;  // of a table; the JSON file has all
constexpr size_t kMostPcs = 20;
constexpr size_t kNameWidth = 36;
constexpr double kSameWithin = 0.05;  // a share of the time of an exit

std::string heading() {
  return std::format("{:<{}}{:>12}  {:>9}{:>9}{:>9}{:>9}  {:>9}{:>9}{:>9}{:>9}\n", "", kNameWidth, "exits", "user:all",
                     "p50", "p99", "max", "guest:all", "p50", "p99", "max");
}

std::string times(const ExitProfile& profile, const Log2Histogram& histogram) {
  const std::array ticks{static_cast<double>(histogram.total), histogram.quantile(0.5), histogram.quantile(0.99),
                         static_cast<double>(histogram.max)};
  std::string text = "  ";
  for (const double value : ticks)
    text += std::format("{:>9}", duration_text(profile.ns_of(value)));
  return text;
}

std::string cut(std::string_view name) {
  if (name.size() < kNameWidth) return std::string{name};
  return std::format("{}...", name.substr(0, kNameWidth - 4));
}

std::string text_table(const ExitProfile& profile, const std::vector<ProfileRow>& rows, bool with_kind) {
  std::string text;
  for (const ProfileRow& row : rows | std::views::take(kMostShownRows)) {
    const std::string name = with_kind ? std::format("{} {}", name_of(row.kind), row.name) : row.name;
    text += std::format("{:<{}}{:>12}{}{}\n", cut(name), kNameWidth, count_text(row.costs.user.count()),
                        times(profile, row.costs.user), times(profile, row.costs.guest));
  }
  if (rows.size() > kMostShownRows) text += std::format("({} more)\n", rows.size() - kMostShownRows);
  return text;
}

uint64_t exits_of(const std::vector<ProfileRow>& rows) {
  uint64_t exits = 0;
  for (const ProfileRow& row : rows)
    exits += row.costs.user.count();
  return exits;
}

std::string pcs_text(const ExitProfile& profile) {
  uint64_t samples = profile.other_samples;
  for (const ProfilePc& pc : profile.pcs)
    samples += pc.samples;
  if (samples == 0) return "";
  std::string text = std::format("\nwhere the guest exits (every {}th exit was looked at: {} samples)\n",
                                 HartProfile::kSampleEvery, count_text(samples));
  for (const ProfilePc& pc : profile.pcs | std::views::take(kMostPcs)) {
    const double share = 100.0 * static_cast<double>(pc.samples) / static_cast<double>(samples);
    text += std::format("{:>6.1f} %  {:#018x}{}{}\n", share, pc.pc, pc.symbol.empty() ? "" : "  ", pc.symbol);
  }
  if (profile.pcs.size() > kMostPcs) text += std::format("({} more)\n", profile.pcs.size() - kMostPcs);
  return text;
}

// Only counters. The JSON file also has the histograms.
std::string kvm_text(const ExitProfile& profile) {
  std::vector<Statistic> all = profile.kvm;
  for (const ProfileHart& hart : profile.harts)
    merge_statistics(all, hart.kvm);
  std::string text;
  for (const Statistic& statistic : all) {
    if (statistic.values.size() != 1 || statistic.values.front() == 0) continue;
    const uint64_t value = statistic.values.front();
    const bool is_time = statistic.name.ends_with("_ns");
    text += std::format("{:<{}}{:>12}\n", cut(statistic.name), kNameWidth,
                        is_time ? duration_text(static_cast<double>(value)) : count_text(value));
  }
  return text.empty() ? text : "\nKVM's own counters, of VM and vCPUs, without those that are 0\n" + text;
}

// Comparison

struct Change {
  std::string name;
  const ProfileRow* now = nullptr;
  const ProfileRow* before = nullptr;
  double more_ns = 0;                 ///< more time in user space, for all exits together
  std::optional<double> slower = {};  ///< how much longer one exit takes, as a share of the time before
};

double mean_ns(const ExitProfile& profile, const ProfileRow& row) {
  const uint64_t count = row.costs.user.count();
  return count == 0 ? 0 : profile.ns_of(static_cast<double>(row.costs.user.total)) / static_cast<double>(count);
}

double total_ns(const ExitProfile& profile, const ProfileRow* row) {
  return row == nullptr ? 0 : profile.ns_of(static_cast<double>(row->costs.user.total));
}

const ProfileRow* find_row(const std::vector<ProfileRow>& rows, const ProfileRow& like) {
  const auto same = [&](const ProfileRow& row) { return row.kind == like.kind && row.name == like.name; };
  const auto at = std::ranges::find_if(rows, same);
  return at == rows.end() ? nullptr : &*at;
}

std::vector<Change> changes_of(const ExitProfile& profile, const std::vector<ProfileRow>& now,
                               const ExitProfile& before_profile, const std::vector<ProfileRow>& before) {
  std::vector<Change> changes;
  changes.reserve(now.size() + before.size());
  for (const ProfileRow& row : now)
    changes.push_back(
        {.name = std::format("{} {}", name_of(row.kind), row.name), .now = &row, .before = find_row(before, row)});
  for (const ProfileRow& row : before) {
    if (find_row(now, row) == nullptr)
      changes.push_back({.name = std::format("{} {}", name_of(row.kind), row.name), .before = &row});
  }
  for (Change& change : changes) {
    change.more_ns = total_ns(profile, change.now) - total_ns(before_profile, change.before);
    if (change.now == nullptr || change.before == nullptr) continue;
    const double was = mean_ns(before_profile, *change.before);
    if (was > 0) change.slower = mean_ns(profile, *change.now) / was - 1;
  }
  std::ranges::stable_sort(changes, std::greater{}, &Change::more_ns);
  return changes;
}

std::string verdict(const Change& change) {
  if (change.before == nullptr) return "new";
  if (change.now == nullptr) return "gone";
  if (!change.slower) return "";
  if (std::abs(*change.slower) < kSameWithin) return "same";
  return std::format("{:.0f} % {}", 100 * std::abs(*change.slower), *change.slower > 0 ? "slower" : "faster");
}

std::string counts(const ProfileRow* row) {
  return row == nullptr ? "-" : count_text(row->costs.user.count());
}

std::string p99_text(const ExitProfile& profile, const ProfileRow* row) {
  return row == nullptr ? "-" : duration_text(profile.ns_of(row->costs.user.quantile(0.99)));
}

std::string mean_text(const ExitProfile& profile, const ProfileRow* row) {
  return row == nullptr ? "-" : duration_text(mean_ns(profile, *row));
}

}  // namespace

std::string duration_text(double ns) {
  constexpr std::array<std::pair<double, const char*>, 4> kUnits{{{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}, {1, "ns"}}};
  const double magnitude = std::abs(ns);
  if (magnitude < 0.5) return "0";
  // A value that rounds up to the next unit is shown in that unit: 999.6 ns is 1 us.
  const auto* const unit =
      std::ranges::find_if(kUnits, [&](const auto& row) { return magnitude >= row.first * 0.9995 || row.first == 1; });
  const double value = ns / unit->first;
  const double digits = std::abs(value);
  const int decimals = unit->first == 1 || digits >= 99.95 ? 0 : digits >= 9.995 ? 1 : 2;
  return std::format("{:.{}f} {}", value, decimals, unit->second);
}

std::string count_text(uint64_t count) {
  std::string text = std::to_string(count);
  for (size_t at = text.size(); at > 3; at -= 3)
    text.insert(at - 3, 1, ',');
  return text;
}

std::string profile_to_text(const ExitProfile& profile) {
  const std::vector<ProfileRow> all = rows_of_all(profile);
  std::string text = std::format("{} exits of {} hart{}\n\n", count_text(exits_of(all)), profile.harts.size(),
                                 profile.harts.size() == 1 ? "" : "s");
  text += heading() + text_table(profile, by_kind(all), false) + "\n" + text_table(profile, all, true);
  if (profile.harts.size() > 1) {
    text += "\nby hart\n";
    for (const ProfileHart& hart : profile.harts) {
      ProfileRow sum{.name = std::format("hart {}", hart.hart)};
      for (const ProfileRow& row : hart.rows)
        sum.costs.merge(row.costs);
      text += text_table(profile, {sum}, false);
    }
  }
  return text + pcs_text(profile) + kvm_text(profile);
}

std::string comparison_to_text(const ExitProfile& profile, const ExitProfile& before) {
  const std::vector<ProfileRow> now_rows = rows_of_all(profile);
  const std::vector<ProfileRow> before_rows = rows_of_all(before);
  std::string text = std::format("{:<{}}{:>10}{:>10}  {:>9}{:>9}  {:>9}{:>9}  {:>10}  {}\n", "", kNameWidth, "before",
                                 "exits", "one was", "one is", "p99 was", "p99 is", "all: more", "one exit is");
  for (const Change& change : changes_of(profile, now_rows, before, before_rows)) {
    text += std::format("{:<{}}{:>10}{:>10}  {:>9}{:>9}  {:>9}{:>9}  {:>10}  {}\n", cut(change.name), kNameWidth,
                        counts(change.before), counts(change.now), mean_text(before, change.before),
                        mean_text(profile, change.now), p99_text(before, change.before), p99_text(profile, change.now),
                        duration_text(change.more_ns), verdict(change));
  }
  return text;
}

}  // namespace rvvmm

#include "observe/profile_html.hpp"

#include <algorithm>
#include <array>
#include <format>
#include <ranges>
#include <string_view>

#include "observe/exit_names.hpp"
#include "observe/profile_text.hpp"

namespace rvvmm {
namespace {

constexpr std::array<const char*, kExitKinds> kColours{"#4e79a7", "#f28e2b", "#59a14f",
                                                       "#b07aa1", "#9c9c9c", "#e15759"};

constexpr std::string_view kStyle = R"(<style>
:root{color-scheme:light dark;--line:#8884;--bar:#4e79a7;--bar2:#f28e2b}
body{font:14px/1.45 system-ui,sans-serif;margin:2em auto;max-width:76em;padding:0 1em}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.2em .7em;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left}td.n{font-family:monospace}
svg{vertical-align:middle}.wide{display:block}.axis{display:flex;justify-content:space-between;font-size:.8em}
.key{display:inline-block;width:.8em;height:.8em;margin:0 .3em 0 1em}pre{overflow-x:auto}
.scroll{overflow-x:auto}
</style>
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

// A bar for each bucket from the first to the last that is not empty. The fullest has the picture's height. Each bar's
// title has its range and count.
std::string histogram_svg(const ExitProfile& profile, const Log2Histogram& histogram, std::string_view colour) {
  constexpr int kHeight = 28;
  constexpr int kBar = 7;
  const auto& buckets = histogram.buckets;
  const uint64_t most = std::ranges::max(buckets);
  if (most == 0) return "";
  size_t first = 0;
  while (buckets[first] == 0)
    ++first;
  size_t last = buckets.size() - 1;
  while (buckets[last] == 0)
    --last;
  std::string svg = std::format("<svg width=\"{}\" height=\"{}\">", (last - first + 1) * kBar, kHeight);
  for (size_t i = first; i <= last; ++i) {
    if (buckets[i] == 0) continue;
    const double share = static_cast<double>(buckets[i]) / static_cast<double>(most);
    const double height = std::max(1.0, share * kHeight);
    svg += std::format(
        "<rect x=\"{}\" y=\"{:.1f}\" width=\"{}\" height=\"{:.1f}\" fill=\"{}\"><title>{} to {}: {}</title></rect>",
        (i - first) * kBar, kHeight - height, kBar - 1, height, colour,
        duration_text(profile.ns_of(static_cast<double>(Log2Histogram::first_of(i)))),
        duration_text(profile.ns_of(static_cast<double>(Log2Histogram::first_of(i + 1)))), count_text(buckets[i]));
  }
  return svg + "</svg>";
}

std::string time_cells(const ExitProfile& profile, const Log2Histogram& histogram, std::string_view colour) {
  const std::array ticks{static_cast<double>(histogram.total), histogram.quantile(0.5), histogram.quantile(0.99),
                         static_cast<double>(histogram.max)};
  std::string cells;
  for (const double value : ticks)
    cells += std::format("<td>{}</td>", duration_text(profile.ns_of(value)));
  return cells + std::format("<td style=\"text-align:left\">{}</td>", histogram_svg(profile, histogram, colour));
}

std::string table(const ExitProfile& profile, const std::vector<ProfileRow>& rows, bool with_kind) {
  std::string html =
      "<div class=\"scroll\"><table><tr><th></th><th>exits</th><th>user space: all</th><th>p50</th><th>p99</th>"
      "<th>max</th><th></th><th>in KVM_RUN before: all</th><th>p50</th><th>p99</th><th>max</th><th></th></tr>\n";
  for (const ProfileRow& row : rows) {
    const std::string name = with_kind ? std::format("{} {}", name_of(row.kind), row.name) : row.name;
    html += std::format("<tr><td class=\"n\">{}</td><td>{}</td>{}{}</tr>\n", escaped(name),
                        count_text(row.costs.user.count()), time_cells(profile, row.costs.user, "var(--bar)"),
                        time_cells(profile, row.costs.guest, "var(--bar2)"));
  }
  return html + "</table></div>\n";
}

std::string legend() {
  std::string html = "<p>";
  for (size_t kind = 0; kind < kExitKinds; ++kind)
    html += std::format("<span class=\"key\" style=\"background:{}\"></span>{}", kColours[kind],
                        name_of(static_cast<ExitKind>(kind)));
  return html + "</p>\n";
}

uint64_t exits_in(const std::array<uint64_t, kExitKinds>& slot) {
  uint64_t exits = 0;
  for (const uint64_t count : slot)
    exits += count;
  return exits;
}

// One column per slot, with the kinds stacked.
std::string timeline_svg(const ExitProfile& profile) {
  constexpr double kHeight = 160;
  constexpr double kWidth = 1024;
  const auto& slots = profile.timeline.slots;
  uint64_t most = 0;
  for (const auto& slot : slots)
    most = std::max(most, exits_in(slot));
  if (most == 0) return "<p>no exits</p>\n";
  const double column = kWidth / static_cast<double>(slots.size());
  const double slot_ns = profile.ns_of(static_cast<double>(profile.timeline.slot_ticks));
  // The picture is scaled to the window's width, which would stretch text in it. So the text is below it.
  std::string svg = std::format(
      "<svg class=\"wide\" viewBox=\"0 0 {0} {1}\" preserveAspectRatio=\"none\" width=\"100%\" height=\"{1}\">\n",
      kWidth, kHeight);
  for (size_t i = 0; i < slots.size(); ++i) {
    if (exits_in(slots[i]) == 0) continue;
    const double at = static_cast<double>(i);
    svg += std::format("<g><title>{} from {}: {} exits</title>", duration_text(slot_ns), duration_text(at * slot_ns),
                       count_text(exits_in(slots[i])));
    double top = kHeight;
    for (size_t kind = 0; kind < kExitKinds; ++kind) {
      const double height = kHeight * static_cast<double>(slots[i][kind]) / static_cast<double>(most);
      if (height == 0) continue;
      top -= height;
      svg += std::format("<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" fill=\"{}\"/>",
                         at * column, top, std::max(column - 0.3, 0.5), height, kColours[kind]);
    }
    svg += "</g>\n";
  }
  svg += std::format("</svg>\n<div class=\"axis\"><span>0</span><span>{}</span></div>\n",
                     duration_text(slot_ns * static_cast<double>(slots.size())));
  return svg +
         std::format("<p>a column is {}, the highest has {} exits</p>\n", duration_text(slot_ns), count_text(most));
}

std::string pcs_table(const ExitProfile& profile) {
  constexpr size_t kMostPcs = 100;  // the JSON file has all
  if (profile.pcs.empty()) return "<p>no samples</p>\n";
  std::string html = "<div class=\"scroll\"><table><tr><th>pc</th><th>samples</th><th>symbol</th></tr>\n";
  for (const ProfilePc& pc : profile.pcs | std::views::take(kMostPcs))
    html += std::format("<tr><td class=\"n\">{:#018x}</td><td>{}</td><td class=\"n\">{}</td></tr>\n", pc.pc,
                        count_text(pc.samples), escaped(pc.symbol));
  html += "</table></div>\n";
  if (profile.pcs.size() > kMostPcs) html += std::format("<p>{} more</p>\n", profile.pcs.size() - kMostPcs);
  return html;
}

std::string kvm_table(const ExitProfile& profile) {
  std::string html = "<div class=\"scroll\"><table><tr><th></th><th>VM</th>";
  for (const ProfileHart& hart : profile.harts)
    html += std::format("<th>hart {}</th>", hart.hart);
  html += "</tr>\n";
  std::vector<Statistic> all = profile.kvm;
  for (const ProfileHart& hart : profile.harts)
    merge_statistics(all, hart.kvm);
  const auto cell = [](const std::vector<Statistic>& statistics, const std::string& name) {
    const auto at = std::ranges::find(statistics, name, &Statistic::name);
    if (at == statistics.end() || at->values.empty()) return std::string{"<td></td>"};
    return std::format("<td>{}</td>", count_text(at->values.front()));
  };
  for (const Statistic& statistic : all) {
    if (statistic.values.size() != 1) continue;
    html += std::format("<tr><td class=\"n\">{}</td>{}", escaped(statistic.name), cell(profile.kvm, statistic.name));
    for (const ProfileHart& hart : profile.harts)
      html += cell(hart.kvm, statistic.name);
    html += "</tr>\n";
  }
  return html + "</table></div>\n";
}

}  // namespace

std::string profile_to_html(const ExitProfile& profile, const std::optional<ExitProfile>& before) {
  const std::vector<ProfileRow> all = rows_of_all(profile);
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>rvvmm exit profile</title>\n"
      "<meta name=\"viewport\" content=\"width=device-width\">\n";
  html += kStyle;
  html += "</head><body>\n<h1>Exit profile</h1>\n";
  if (before)
    html += std::format("<h2>What changed</h2>\n<pre>{}</pre>\n", escaped(comparison_to_text(profile, *before)));
  html += "<h2>Exits over time, by kind</h2>\n" + legend() + timeline_svg(profile);
  html += "<h2>By kind</h2>\n" + table(profile, by_kind(all), false);
  html += "<h2>By cause</h2>\n" + table(profile, all, true);
  if (profile.harts.size() > 1) {
    for (const ProfileHart& hart : profile.harts)
      html += std::format("<h2>Hart {}</h2>\n{}", hart.hart, table(profile, hart.rows, true));
  }
  html +=
      std::format("<h2>Where the guest exits (every {}th exit)</h2>\n", HartProfile::kSampleEvery) + pcs_table(profile);
  html += "<h2>KVM's own counters</h2>\n" + kvm_table(profile);
  return html + "</body></html>\n";
}

}  // namespace rvvmm

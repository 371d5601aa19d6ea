#include "observe/profile_json.hpp"

#include <charconv>
#include <format>
#include <limits>
#include <utility>

#include "base/printable.hpp"
#include "observe/exit_names.hpp"
#include "observe/json_input.hpp"

namespace rvvmm {
namespace {

constexpr std::string_view kFormat = "rvvmm exit profile";
constexpr int kVersion = 1;
// Limits of a file; rvvmm's own files stay below all of them. Rows are limited because looking up a row is linear.
constexpr size_t kMostSlots = 4096;  // of a timeline; ExitTimeline::kSlots
constexpr size_t kMostHarts = 1024;
constexpr size_t kMostRowsOfAll = 16384;  // of all harts
constexpr size_t kMostStatistics = 1024;
constexpr size_t kMostPlaces = size_t{1} << 20;

// Writing

/// Without the empty buckets at the end.
Json buckets_of(const Log2Histogram& histogram) {
  size_t used = Log2Histogram::kBuckets;
  while (used > 0 && histogram.buckets[used - 1] == 0)
    --used;
  Json buckets = Json::array();
  for (size_t i = 0; i < used; ++i)
    buckets.push_back(histogram.buckets[i]);
  return buckets;
}

Json to_json(const ExitProfile& profile, const Log2Histogram& histogram) {
  return {{"total_ns", profile.ns_of(static_cast<double>(histogram.total))},
          {"p50_ns", profile.ns_of(histogram.quantile(0.5))},
          {"p99_ns", profile.ns_of(histogram.quantile(0.99))},
          {"max_ns", profile.ns_of(static_cast<double>(histogram.max))},
          {"total_ticks", histogram.total},
          {"max_ticks", histogram.max},
          {"log2_ticks", buckets_of(histogram)}};
}

Json to_json(const ExitProfile& profile, const std::vector<ProfileRow>& rows) {
  Json array = Json::array();
  for (const ProfileRow& row : rows) {
    array.push_back({{"kind", name_of(row.kind)},
                     {"name", row.name},
                     {"count", row.costs.user.count()},
                     {"user", to_json(profile, row.costs.user)},
                     {"guest", to_json(profile, row.costs.guest)}});
  }
  return array;
}

Json to_json(const std::vector<Statistic>& statistics) {
  Json object = Json::object();
  for (const Statistic& statistic : statistics) {
    if (statistic.values.size() == 1) {
      object[statistic.name] = statistic.values.front();
    } else {
      object[statistic.name] = statistic.values;
    }
  }
  return object;
}

Json harts_of(const ExitProfile& profile) {
  Json harts = Json::array();
  for (const ProfileHart& hart : profile.harts)
    harts.push_back({{"hart", hart.hart}, {"exits", to_json(profile, hart.rows)}, {"kvm", to_json(hart.kvm)}});
  return harts;
}

Json pcs_of(const ExitProfile& profile) {
  Json pcs = Json::array();
  for (const ProfilePc& pc : profile.pcs)
    pcs.push_back({{"pc", std::format("{:#x}", pc.pc)}, {"symbol", pc.symbol}, {"samples", pc.samples}});
  return {{"every_nth_exit", HartProfile::kSampleEvery}, {"places", std::move(pcs)}, {"others", profile.other_samples}};
}

Json timeline_of(const ExitProfile& profile) {
  Json kinds = Json::array();
  for (size_t kind = 0; kind < kExitKinds; ++kind)
    kinds.push_back(name_of(static_cast<ExitKind>(kind)));
  const uint64_t ticks = profile.timeline.slot_ticks;
  return {{"slot_ns", profile.ns_of(static_cast<double>(ticks))},
          {"slot_ticks", ticks},
          {"kinds", std::move(kinds)},
          {"slots", profile.timeline.slots}};
}

// Reading

/// Throws UnfitJson unless `json` has type `type` (array or object) and at most `most` entries.
void check_bounds(const Json& json, Json::value_t type, size_t most, std::string_view what) {
  if (json.type() != type) throw UnfitJson{std::format("{} is not an {}", what, Json(type).type_name())};
  if (json.size() > most) throw UnfitJson{std::format("{} has {} entries; at most {}", what, json.size(), most)};
}

const Json& array_at(const Json& object, const char* key, size_t most) {
  const Json& array = member_at(object, key);
  check_bounds(array, Json::value_t::array, most, key);
  return array;
}

Log2Histogram histogram_from(const Json& json) {
  Log2Histogram histogram{.total = unsigned_at(json, "total_ticks"), .max = unsigned_at(json, "max_ticks")};
  const Json& buckets = array_at(json, "log2_ticks", Log2Histogram::kBuckets);
  for (size_t i = 0; i < buckets.size(); ++i)
    histogram.buckets[i] = unsigned_from(buckets[i], "log2_ticks");
  return histogram;
}

std::vector<ProfileRow> rows_from(const Json& json) {
  std::vector<ProfileRow> rows;
  for_each_element(json, "exits", [&](const Json& row) {
    const std::string kind_name = text_at(row, "kind");
    const auto kind = exit_kind_named(kind_name);
    if (!kind) throw UnfitJson{std::format("{} is not a kind of exit", kind_name)};
    rows.push_back(
        {.kind = *kind,
         .name = printable(text_at(row, "name")),
         .costs = {.user = histogram_from(member_at(row, "user")), .guest = histogram_from(member_at(row, "guest"))}});
  });
  return rows;
}

std::vector<Statistic> statistics_from(const Json& json) {
  std::vector<Statistic> statistics;
  check_bounds(json, Json::value_t::object, kMostStatistics, "kvm");
  for (const auto& [name, value] : json.items()) {
    Statistic statistic{.name = printable(name), .values = {}};
    if (value.is_array()) {
      for (const Json& one : value)
        statistic.values.push_back(unsigned_from(one, "a counter of KVM"));
    } else {
      statistic.values.push_back(unsigned_from(value, "a counter of KVM"));
    }
    if (statistic.values.empty()) throw UnfitJson{"a counter of KVM has no value"};
    statistics.push_back(std::move(statistic));
  }
  return statistics;
}

uint64_t address_from(std::string_view text) {
  constexpr std::string_view kPrefix = "0x";
  uint64_t address = 0;
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  const auto [rest, problem] = std::from_chars(text.data(), text.data() + text.size(), address, 16);
  if (problem != std::errc{} || rest != text.data() + text.size()) throw UnfitJson{"pc is not an address"};
  return address;
}

std::vector<ProfilePc> pcs_from(const Json& json) {
  std::vector<ProfilePc> pcs;
  for_each_element(json, "places", [&](const Json& pc) {
    pcs.push_back({.pc = address_from(text_at(pc, "pc")),
                   .symbol = printable(text_at(pc, "symbol")),
                   .samples = unsigned_at(pc, "samples")});
  });
  return pcs;
}

ProfileTimeline timeline_from(const Json& json) {
  ProfileTimeline timeline{.slot_ticks = unsigned_at(json, "slot_ticks")};
  if (timeline.slot_ticks == 0) throw UnfitJson{"slot_ticks is 0"};
  for (const Json& slot : array_at(json, "slots", kMostSlots)) {
    auto& counts = timeline.slots.emplace_back();
    if (!slot.is_array() || slot.size() != counts.size())
      throw UnfitJson{"slots has an entry without a count for each kind"};
    for (size_t kind = 0; kind < counts.size(); ++kind)
      counts[kind] = unsigned_from(slot[kind], "slots");
  }
  return timeline;
}

ProfileHart hart_from(const Json& json, size_t most_rows) {
  const uint64_t hart = unsigned_at(json, "hart");
  if (hart > std::numeric_limits<uint32_t>::max()) throw UnfitJson{"hart is too large"};
  return {.hart = static_cast<uint32_t>(hart),
          .rows = rows_from(array_at(json, "exits", most_rows)),
          .kvm = statistics_from(member_at(json, "kvm"))};
}

ExitProfile profile_from(const Json& json) {
  ExitProfile profile{.timebase_hz = unsigned_at(json, "timebase_hz")};
  if (profile.timebase_hz == 0) throw UnfitJson{"timebase_hz is 0"};
  size_t rows_left = kMostRowsOfAll;
  for_each_element(array_at(json, "harts", kMostHarts), "harts", [&](const Json& hart) {
    profile.harts.push_back(hart_from(hart, rows_left));
    rows_left -= profile.harts.back().rows.size();
  });
  profile.kvm = statistics_from(member_at(json, "kvm"));
  const Json& pcs = member_at(json, "pcs");
  profile.pcs = pcs_from(array_at(pcs, "places", kMostPlaces));
  profile.other_samples = unsigned_at(pcs, "others");
  profile.timeline = timeline_from(member_at(json, "timeline"));
  return profile;
}

void check_format(const Json& json, const std::string& file) {
  const auto format = json.find("format");
  if (format == json.end() || *format != kFormat)
    throw bad_report(file, "is not a profile of rvvmm; give a file that --profile wrote");
  const Json version = json.value("version", Json{});
  if (version == kVersion) return;
  throw bad_report(file,
                   std::format("is a profile of version {}; this rvvmm reads version {}", version.dump(), kVersion));
}

}  // namespace

std::string profile_to_json(const ExitProfile& profile) {
  const std::vector<ProfileRow> all = rows_of_all(profile);
  const Json json = {{"format", kFormat},
                     {"version", kVersion},
                     {"timebase_hz", profile.timebase_hz},
                     {"all", {{"kinds", to_json(profile, by_kind(all))}, {"exits", to_json(profile, all)}}},
                     {"harts", harts_of(profile)},
                     {"kvm", to_json(profile.kvm)},
                     {"pcs", pcs_of(profile)},
                     {"timeline", timeline_of(profile)}};
  return json.dump(1, ' ', true, Json::error_handler_t::replace) + "\n";
}

ExitProfile profile_from_json(std::string_view text, const std::string& file) {
  try {
    const Json json = parse_json(text);
    check_format(json, file);
    return profile_from(json);
  } catch (const NoJson& problem) {
    // A file that was cut off fails at its end. A file that is not JSON fails earlier.
    if (!text.empty() && problem.byte() >= text.size() && text.front() == '{')
      throw bad_report(file, std::format("is cut off after {} bytes; write the profile again", text.size()));
    throw bad_report(file, "is not a profile of rvvmm; give a file that --profile wrote");
  } catch (const UnfitJson& problem) {
    throw bad_report(file, std::format("is damaged: {}", problem.what()));
  }
}

}  // namespace rvvmm

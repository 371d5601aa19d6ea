#include "observe/profile_json.hpp"

#include <format>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.hpp"
#include "base/printable.hpp"
#include "observe/exit_names.hpp"

namespace rvvmm {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kFormat = "rvvmm exit profile";
constexpr int kVersion = 1;
constexpr size_t kMostSlots = 4096;  // of a timeline; ours have ExitTimeline::kSlots

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

// Reading: at() throws where a key is missing, get<>() where a value has another type.

Log2Histogram histogram_from(const Json& json) {
  Log2Histogram histogram{.total = json.at("total_ticks").get<uint64_t>(), .max = json.at("max_ticks").get<uint64_t>()};
  const Json& buckets = json.at("log2_ticks");
  if (!buckets.is_array() || buckets.size() > Log2Histogram::kBuckets) throw std::out_of_range{"log2_ticks"};
  for (size_t i = 0; i < buckets.size(); ++i)
    histogram.buckets[i] = buckets[i].get<uint64_t>();
  return histogram;
}

std::vector<ProfileRow> rows_from(const Json& json) {
  std::vector<ProfileRow> rows;
  for (const Json& row : json) {
    const auto kind = exit_kind_named(row.at("kind").get<std::string>());
    if (!kind) throw std::out_of_range{"kind"};
    rows.push_back({.kind = *kind,
                    .name = printable(row.at("name").get<std::string>()),
                    .costs = {.user = histogram_from(row.at("user")), .guest = histogram_from(row.at("guest"))}});
  }
  return rows;
}

std::vector<Statistic> statistics_from(const Json& json) {
  std::vector<Statistic> statistics;
  for (const auto& [name, value] : json.items()) {
    auto values = value.is_array() ? value.get<std::vector<uint64_t>>() : std::vector{value.get<uint64_t>()};
    statistics.push_back({.name = printable(name), .values = std::move(values)});
  }
  return statistics;
}

std::vector<ProfilePc> pcs_from(const Json& json) {
  std::vector<ProfilePc> pcs;
  for (const Json& pc : json) {
    pcs.push_back({.pc = std::stoull(pc.at("pc").get<std::string>(), nullptr, 16),
                   .symbol = printable(pc.at("symbol").get<std::string>()),
                   .samples = pc.at("samples").get<uint64_t>()});
  }
  return pcs;
}

ProfileTimeline timeline_from(const Json& json) {
  ProfileTimeline timeline{.slot_ticks = json.at("slot_ticks").get<uint64_t>()};
  const Json& slots = json.at("slots");
  if (timeline.slot_ticks == 0 || slots.size() > kMostSlots) throw std::out_of_range{"timeline"};
  for (const Json& slot : slots)
    timeline.slots.push_back(slot.get<std::array<uint64_t, kExitKinds>>());
  return timeline;
}

ExitProfile profile_from(const Json& json) {
  ExitProfile profile{.timebase_hz = json.at("timebase_hz").get<uint64_t>()};
  if (profile.timebase_hz == 0) throw std::out_of_range{"timebase_hz"};
  for (const Json& hart : json.at("harts")) {
    profile.harts.push_back({.hart = hart.at("hart").get<uint32_t>(),
                             .rows = rows_from(hart.at("exits")),
                             .kvm = statistics_from(hart.at("kvm"))});
  }
  profile.kvm = statistics_from(json.at("kvm"));
  profile.pcs = pcs_from(json.at("pcs").at("places"));
  profile.other_samples = json.at("pcs").at("others").get<uint64_t>();
  profile.timeline = timeline_from(json.at("timeline"));
  return profile;
}

SetupError bad_file(const std::string& file, std::string_view why) {
  return SetupError{ExitStatus::kBadInput, std::format("{}: {}", printable(file), why)};
}

void check_format(const Json& json, const std::string& file) {
  if (!json.is_object() || json.value("format", std::string{}) != kFormat)
    throw bad_file(file, "is no profile of rvvmm; give a file that --profile wrote");
  const Json version = json.value("version", Json{});
  if (version == kVersion) return;
  throw bad_file(file, std::format("is a profile of version {}; this rvvmm reads version {}", printable(version.dump()),
                                   kVersion));
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
    const Json json = Json::parse(text);
    check_format(json, file);
    return profile_from(json);
  } catch (const Json::parse_error& problem) {
    // What was cut off ends too early; what never was JSON is wrong before that.
    if (!text.empty() && problem.byte >= text.size() && text.front() == '{')
      throw bad_file(file, std::format("is cut off after {} bytes; write the profile again", text.size()));
    throw bad_file(file, "is no profile of rvvmm; give a file that --profile wrote");
  } catch (const Json::exception& problem) {
    throw bad_file(file, std::format("is damaged: {}", printable(problem.what())));
  } catch (const std::logic_error& problem) {  // a number out of its range, ours or stoull's
    throw bad_file(file, std::format("is damaged: {}", problem.what()));
  }
}

}  // namespace rvvmm

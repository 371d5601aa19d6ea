#include "observe/json_input.hpp"

#include <array>
#include <format>

#include "base/printable.hpp"

namespace rvvmm {
namespace {

constexpr size_t kDeepest = 16;
constexpr size_t kMostMembers = 4096;  // of an object, which are looked for one after the other
constexpr size_t kMostShown = 300;     // of what the library says, which quotes the file

}  // namespace

Json parse_json(std::string_view text) {
  std::array<size_t, kDeepest + 2> members{};  // so far, of the object at each depth that is being read
  return Json::parse(text, [&](int depth, Json::parse_event_t event, Json&) {
    const auto level = static_cast<size_t>(depth);
    if (level > kDeepest) throw UnfitJson{"it is nested too deeply"};
    if (event == Json::parse_event_t::object_start) members[level + 1] = 0;
    if (event == Json::parse_event_t::key && ++members[level] > kMostMembers)
      throw UnfitJson{std::format("an object has more than {} members", kMostMembers)};
    return true;
  });
}

uint64_t unsigned_from(const Json& value, std::string_view what) {
  if (!value.is_number_unsigned()) throw UnfitJson{std::format("{} is no whole number", what)};
  return value.get<uint64_t>();
}

uint64_t unsigned_at(const Json& object, const char* key) {
  return unsigned_from(object.at(key), key);
}

SetupError bad_report(std::string_view file, std::string_view why) {
  return SetupError{ExitStatus::kBadInput,
                    std::format("{}: {}{}", printable(file), printable(why.substr(0, kMostShown)),
                                why.size() > kMostShown ? "..." : "")};
}

}  // namespace rvvmm

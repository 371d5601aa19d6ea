#include "observe/json_input.hpp"

#include <array>
#include <format>

#include "base/printable.hpp"

namespace rvvmm {
namespace {

constexpr size_t kDeepest = 16;
constexpr size_t kMostMembers = 4096;  // of an object, because lookup is linear
constexpr size_t kMostShown = 300;     // of an error text, because it may quote the file

Json parsed(std::string_view text) {
  std::array<size_t, kDeepest + 2> members{};  // so far, of the open object at each depth
  return Json::parse(text, [&](int depth, Json::parse_event_t event, Json&) {
    const auto level = static_cast<size_t>(depth);
    if (level > kDeepest) throw UnfitJson{"it is nested too deeply"};
    if (event == Json::parse_event_t::object_start) members[level + 1] = 0;
    if (event == Json::parse_event_t::key && ++members[level] > kMostMembers)
      throw UnfitJson{std::format("an object has more than {} members", kMostMembers)};
    return true;
  });
}

}  // namespace

NoJson::NoJson(size_t byte) : UnfitJson{std::format("is not valid JSON at byte {}", byte)}, byte_{byte} {}

// The library's own error texts are for programmers: they hold its error names and a part of a line of the file.
Json parse_json(std::string_view text) {
  try {
    return parsed(text);
  } catch (const Json::parse_error& problem) {
    throw NoJson{problem.byte};
  } catch (const Json::out_of_range&) {
    throw UnfitJson{"a number is too large"};
  }
}

const Json& member_at(const Json& object, const char* key) {
  const auto member = object.find(key);  // end() if `object` is not an object
  if (member == object.end()) throw UnfitJson{std::format("{} is missing", key)};
  return *member;
}

std::string text_at(const Json& object, const char* key) {
  const Json& member = member_at(object, key);
  if (!member.is_string()) throw UnfitJson{std::format("{} is not a string", key)};
  return member.get<std::string>();
}

double number_at(const Json& object, const char* key) {
  const Json& member = member_at(object, key);
  if (!member.is_number()) throw UnfitJson{std::format("{} is not a number", key)};
  return member.get<double>();
}

uint64_t unsigned_from(const Json& value, std::string_view what) {
  if (!value.is_number_unsigned()) throw UnfitJson{std::format("{} is not a whole number", what)};
  return value.get<uint64_t>();
}

uint64_t unsigned_at(const Json& object, const char* key) {
  return unsigned_from(member_at(object, key), key);
}

SetupError bad_report(std::string_view file, std::string_view why) {
  return SetupError{ExitStatus::kBadInput,
                    std::format("{}: {}{}", printable(file), printable(why.substr(0, kMostShown)),
                                why.size() > kMostShown ? "..." : "")};
}

}  // namespace rvvmm

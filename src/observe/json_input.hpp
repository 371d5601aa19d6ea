// Reads JSON from an untrusted file: limits its depth and checks its numbers.
#pragma once

#include <cstdint>
#include <exception>
#include <format>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.hpp"

namespace rvvmm {

/// Keeps the order of keys.
using Json = nlohmann::ordered_json;

/// Valid JSON that does not have the content of a report. what() names the fault in a few words.
class UnfitJson : public std::exception {
 public:
  explicit UnfitJson(std::string what) : what_(std::move(what)) {}
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

/// The text is not JSON. `byte`: where parsing failed, counted from 1. For a text that was cut off it is after the end.
class NoJson : public UnfitJson {
 public:
  explicit NoJson(size_t byte);
  size_t byte() const noexcept { return byte_; }

 private:
  size_t byte_;
};

/// Throws NoJson. Throws UnfitJson if the text is nested deeper than any file of rvvmm, because code that walks through
/// values uses the stack.
Json parse_json(std::string_view text);

/// Each of these throws UnfitJson if the member does not exist or has another type.
const Json& member_at(const Json& object, const char* key);
std::string text_at(const Json& object, const char* key);
double number_at(const Json& object, const char* key);
/// A whole number of 0 or more.
uint64_t unsigned_at(const Json& object, const char* key);
/// Throws UnfitJson if `value` is not a whole number of 0 or more; `what` names it.
uint64_t unsigned_from(const Json& value, std::string_view what);

/// Calls use(element) for each element. Adds the element's index to an UnfitJson that it throws: "<name>[2]: ...".
template <typename Use>
void for_each_element(const Json& array, std::string_view name, Use use) {
  size_t index = 0;
  for (const Json& element : array) {
    try {
      use(element);
    } catch (const UnfitJson& problem) {
      throw UnfitJson{std::format("{}[{}]: {}", name, index, problem.what())};
    }
    ++index;
  }
}

/// "<file>: <why>", kBadInput. Both are made printable, and a long `why` is cut.
SetupError bad_report(std::string_view file, std::string_view why);

}  // namespace rvvmm

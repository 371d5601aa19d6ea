// JSON from a file that anybody may have written: bounded in depth, its numbers checked.
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

/// What is right JSON, and not what a report is made of. what() says so in a few words.
class UnfitJson : public std::exception {
 public:
  explicit UnfitJson(std::string what) : what_(std::move(what)) {}
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

/// What is no JSON: it goes wrong at byte `byte`, counted from 1, which is behind the end where it was cut off.
class NoJson : public UnfitJson {
 public:
  explicit NoJson(size_t byte);
  size_t byte() const noexcept { return byte_; }

 private:
  size_t byte_;
};

/// Throws NoJson, and UnfitJson where it is nested deeper than anything of ours: what walks through values does so on
/// the stack.
Json parse_json(std::string_view text);

/// Each of these throws UnfitJson where there is no such member, or it is of another type.
const Json& member_at(const Json& object, const char* key);
std::string text_at(const Json& object, const char* key);
double number_at(const Json& object, const char* key);
/// A whole number from 0 on.
uint64_t unsigned_at(const Json& object, const char* key);
/// Throws UnfitJson where it is no whole number from 0 on; `what` names it.
uint64_t unsigned_from(const Json& value, std::string_view what);

/// Calls use(element) for each; what it finds unfit is said with the element's place: "<name>[2]: ...".
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

/// "<file>: <why>", kBadInput; both are cut and made fit for one line.
SetupError bad_report(std::string_view file, std::string_view why);

}  // namespace rvvmm

// JSON from a file that anybody may have written: bounded in depth, its numbers checked.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

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

/// Throws Json::parse_error, and UnfitJson where it is nested deeper than anything of ours: what walks through values
/// does so on the stack.
Json parse_json(std::string_view text);

/// Throws UnfitJson where it is no whole number from 0 on; `what` names it.
uint64_t unsigned_from(const Json& value, std::string_view what);
/// The same of a member; one that is missing is Json::out_of_range.
uint64_t unsigned_at(const Json& object, const char* key);

/// "<file>: <why>", kBadInput; both are cut and made fit for one line.
SetupError bad_report(std::string_view file, std::string_view why);

}  // namespace rvvmm

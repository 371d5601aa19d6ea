#include "observe/profile_json.hpp"

#include <gmock/gmock.h>

#include <format>

#include "base/error.hpp"
#include "fakes/sample_profile.hpp"

namespace rvvmm::profile_json_test {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of(std::string_view text) {
  try {
    profile_from_json(text, "old.json");
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kBadInput);
    return error.what();
  }
  return "no error";
}

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  const size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), with);
}

TEST(ProfileJson, WhatIsWrittenIsRead) {
  const ExitProfile profile = sample_profile();
  EXPECT_EQ(profile_from_json(profile_to_json(profile), "f"), profile);
}

TEST(ProfileJson, AnEmptyProfileToo) {
  EXPECT_EQ(profile_from_json(profile_to_json({}), "f"), ExitProfile{});
}

TEST(ProfileJson, NamesAreAsciiWhateverTheyHold) {
  ExitProfile profile = sample_profile();
  profile.harts[0].rows[0].name = "a\"b\\\xff\xc3\xa9";
  const std::string text = profile_to_json(profile);
  for (const char c : text)
    EXPECT_LT(static_cast<unsigned char>(c), 0x80);
  EXPECT_THAT(profile_from_json(text, "f").harts[0].rows[0].name, StartsWith("a\"b\\"));
}

TEST(ProfileJson, ComputesWhatOtherToolsWant) {
  const std::string text = profile_to_json(sample_profile());
  EXPECT_THAT(text, HasSubstr("\"name\": \"uart.lsr read\",\n    \"count\": 1500,"));
  EXPECT_THAT(text, HasSubstr("\"p50_ns\": 300.0"));
}

TEST(ProfileJson, OtherFilesAreRefused) {
  constexpr const char* kNone = "old.json: is not a profile of rvvmm; give a file that --profile wrote";
  EXPECT_EQ(error_of(""), kNone);
  EXPECT_EQ(error_of("\x7f"
                     "ELF"),
            kNone);
  EXPECT_EQ(error_of("[1, 2]"), kNone);
  EXPECT_EQ(error_of("{\"ms\": 1}\n{\"ms\": 2}\n"), kNone);
  EXPECT_EQ(error_of("{}"), kNone);
}

TEST(ProfileJson, AnotherVersionIsSaid) {
  EXPECT_EQ(error_of(replaced(profile_to_json(sample_profile()), "\"version\": 1", "\"version\": 2")),
            "old.json: is a profile of version 2; this rvvmm reads version 1");
}

TEST(ProfileJson, EveryCutIsFound) {
  const std::string text = profile_to_json(sample_profile());
  for (size_t size = 1; size < text.size() - 2; size += 97)
    EXPECT_EQ(error_of(text.substr(0, size)),
              "old.json: is cut off after " + std::to_string(size) + " bytes; write the profile again");
}

TEST(ProfileJson, DamageIsFound) {
  const std::string text = profile_to_json(sample_profile());
  const auto damage = [&](std::string_view what, std::string_view with) {
    return error_of(replaced(text, what, with));
  };
  EXPECT_EQ(damage("\"harts\"", "\"hearts\""), "old.json: is damaged: harts is missing");
  EXPECT_EQ(damage("\"timebase_hz\": 10000000", "\"timebase_hz\": 0"), "old.json: is damaged: timebase_hz is 0");
  EXPECT_EQ(damage("\"slot_ticks\": 1024", "\"slot_ticks\": \"x\""),
            "old.json: is damaged: slot_ticks is not a whole number");
  EXPECT_EQ(damage("\"pc\": \"0xffffffff80001234\"", "\"pc\": \"here\""),
            "old.json: is damaged: places[0]: pc is not an address");
  EXPECT_EQ(damage("\"pc\": \"0xffffffff80001234\"", "\"pc\": 3"),
            "old.json: is damaged: places[0]: pc is not a string");
  EXPECT_EQ(damage("\"kvm\": {", "\"kvm\": {\"x\": -1.5e999,"), "old.json: is damaged: a number is too large");
  EXPECT_EQ(damage("\"format\": \"rvvmm exit profile\"", "\"format\": 1"),
            "old.json: is not a profile of rvvmm; give a file that --profile wrote");
  const size_t harts = text.find("\"harts\"");
  EXPECT_EQ(error_of(text.substr(0, harts) + replaced(text.substr(harts), "\"kind\": ", "\"kin\": ")),
            "old.json: is damaged: harts[0]: exits[0]: kind is missing");
  EXPECT_EQ(error_of(text.substr(0, harts) + replaced(text.substr(harts), "\"exits\": [", "\"exits\": [0,")),
            "old.json: is damaged: harts[0]: exits[0]: kind is missing");
  EXPECT_EQ(error_of(replaced(text, "\"kvm\": {", "\"kvm\": {\"x\": -1,")),
            "old.json: is damaged: harts[0]: a counter of KVM is not a whole number");
  EXPECT_EQ(error_of(replaced(text, "\"kvm\": {", "\"kvm\": {\"x\": [],")),
            "old.json: is damaged: harts[0]: a counter of KVM has no value");
  EXPECT_EQ(error_of(replaced(text, "\"samples\": 20", "\"samples\": 1e300")),
            "old.json: is damaged: places[0]: samples is not a whole number");
  EXPECT_EQ(error_of(replaced(text, "\"hart\": 1,", "\"hart\": 4294967296,")),
            "old.json: is damaged: harts[1]: hart is too large");
  EXPECT_EQ(error_of(replaced(text, "\"places\": [", "\"places\": {}, \"x\": [")),
            "old.json: is damaged: places is not an array");
}

// What draws a profile walks through its values on the stack, and through its rows again and again.
TEST(ProfileJson, DepthAndSizeAreBounded) {
  const std::string text = profile_to_json(sample_profile());
  EXPECT_EQ(error_of(replaced(text, "\"kvm\": {", "\"kvm\": {\"x\": " + std::string(1'000'000, '['))),
            "old.json: is damaged: it is nested too deeply");
  std::string many = "\"exits\": [";
  for (int i = 0; i < 20'000; ++i)
    many += "0,";
  const size_t harts = text.find("\"harts\"");
  EXPECT_EQ(error_of(text.substr(0, harts) + replaced(text.substr(harts), "\"exits\": [", many)),
            "old.json: is damaged: harts[0]: exits has 20003 entries; at most 16384");
}

TEST(ProfileJson, EachListHasAMost) {
  const std::string text = profile_to_json(sample_profile());
  const auto many = [](size_t count) {
    std::string values;
    for (size_t i = 0; i < count; ++i)
      values += "0,";
    return values;
  };
  const auto members = [](size_t count) {
    std::string values;
    for (size_t i = 0; i < count; ++i)
      values += std::format("\"m{}\": 0,", i);
    return values;
  };
  // The sample has some entries of each.
  EXPECT_EQ(error_of(replaced(text, "\"harts\": [", "\"harts\": [" + many(1023))),
            "old.json: is damaged: harts has 1025 entries; at most 1024");
  EXPECT_EQ(error_of(replaced(text, "\"slots\": [", "\"slots\": [" + many(4094))),
            "old.json: is damaged: slots has 4097 entries; at most 4096");
  EXPECT_EQ(error_of(replaced(text, "\"places\": [", "\"places\": [" + many((1U << 20) - 1))),
            "old.json: is damaged: places has 1048577 entries; at most 1048576");
  EXPECT_EQ(error_of(replaced(text, "\"kvm\": {", "\"kvm\": {" + members(1021))),
            "old.json: is damaged: harts[0]: kvm has 1025 entries; at most 1024");
  EXPECT_EQ(error_of(replaced(text, "\"kvm\": {", "\"kvm\": {" + members(4093))),
            "old.json: is damaged: an object has more than 4096 members");
  const size_t harts = text.find("\"harts\"");
  const std::string buckets = replaced(text.substr(harts), "\"log2_ticks\": [", "\"log2_ticks\": [" + many(65));
  EXPECT_THAT(error_of(text.substr(0, harts) + buckets), HasSubstr("log2_ticks has "));
}

}  // namespace
}  // namespace rvvmm::profile_json_test

#include "vmm/options/mem_option.hpp"

#include <gtest/gtest.h>

#include <array>
#include <utility>

#include "base/error.hpp"

namespace rvvmm::mem_option_test {
namespace {

std::string refusal(std::string_view text) {
  try {
    parse_mem("--mem", text);
  } catch (const SetupError& problem) {
    EXPECT_EQ(problem.status(), ExitStatus::kUsage);
    return problem.what();
  }
  return "taken";
}

TEST(MemOption, ABareSizeIsRamAsTheHostHasIt) {
  for (const std::string_view text : {"2G", "2048", "2048m", "size=2G", "2G,hugepages=thp"}) {
    EXPECT_EQ(parse_mem("--mem", text), (MemOption{.bytes = 2_GiB, .ram = {}})) << text;
  }
}

TEST(MemOption, SuboptionsSayHowItIsBacked) {
  EXPECT_EQ(parse_mem("--mem", "size=1G,hugepages=2M").ram.huge_pages, HugePages::k2MiB);
  EXPECT_EQ(parse_mem("--mem", "1G,hugepages=1G").ram.huge_pages, HugePages::k1GiB);
  EXPECT_EQ(parse_mem("--mem", "hugepages=off,size=1G").ram.huge_pages, HugePages::kOff);
  EXPECT_EQ(parse_mem("--mem", "4M,shared").ram, (RamOptions{.shared = true}));
  EXPECT_EQ(parse_mem("--mem", "4M,prefault").ram, (RamOptions{.prefault = true}));
  EXPECT_EQ(parse_mem("--mem", "4M,merge,prefault").ram, (RamOptions{.prefault = true, .merge = true}));
  EXPECT_EQ(parse_mem("--mem", "shared,size=8M,prefault,hugepages=2M"),
            (MemOption{.bytes = 8_MiB,
                       .ram = {.huge_pages = HugePages::k2MiB, .shared = true, .prefault = true, .merge = false}}));
}

TEST(MemOption, WhatIsWrongIsNamed) {
  const std::array<std::pair<std::string_view, std::string_view>, 17> wrong{{
      {"lots", "--mem: \"lots\" is not a size; give a number of MiB, or one with suffix K, M, G or T"},
      {"", "--mem: \"\" is not a size; give a number of MiB, or one with suffix K, M, G or T"},
      {"size=lots", "--mem: size: \"lots\" is not a size; give a number of MiB, or one with suffix K, M, G or T"},
      {"5K,shared", "--mem: \"5K\" is not a RAM size; give a multiple of 4K that is not 0"},
      {"shared", "--mem: \"shared\" is not a size; give a number of MiB, or one with suffix K, M, G or T"},
      {"shared,prefault", "--mem: has no size; give one, for example size=1G"},
      {"hugepages=2M", "--mem: has no size; give one, for example size=1G"},
      {"1G,size=2G", "--mem: size: given twice, also as \"1G\""},
      {"1G,shered", "--mem: \"shered\": unknown suboption; did you mean shared?"},
      {"hugepges=2M,1G", "--mem: \"hugepges=2M\": unknown suboption; did you mean hugepages?"},
      {"1G,2G", "--mem: \"2G\": unknown suboption; give size=, hugepages=, shared, prefault, merge"},
      {"1G,hugepages=4M", "--mem: hugepages: \"4M\" is not a kind of huge pages; give 2M, 1G, thp or off"},
      {"1G,hugepages", "--mem: hugepages: has no value; write hugepages=VALUE"},
      {"1G,shared=on", "--mem: shared: takes no value"},
      {"5M,hugepages=2M", "--mem: 5M is not a multiple of huge pages of 2M; give 6M"},
      {"3G,merge,shared", "--mem: merge: the host merges private pages of the usual sizes only; leave out shared"},
      {"4G,merge,hugepages=1G",
       "--mem: merge: the host merges private pages of the usual sizes only; leave out hugepages"},
  }};
  for (const auto& [text, why] : wrong)
    EXPECT_EQ(refusal(text), why) << text;
}

}  // namespace
}  // namespace rvvmm::mem_option_test

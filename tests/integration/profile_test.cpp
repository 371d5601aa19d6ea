// --profile and `rvvmm report`, as a user has them.
#include <gtest/gtest.h>

#include <format>

#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::profile_test {
namespace {

class Profile : public KvmTest {
 protected:
  std::vector<std::string> options(const std::string& profile, unsigned smp) const {
    return {"--kernel", environment().guest("exit_mix"), "--mem", "64M", "--smp", std::to_string(smp), "--profile",
            profile};
  }

  const TemporaryFile file_;
};

/// The text from where `hart` begins to where the next does.
std::string part_of_hart(const std::string& json, unsigned hart) {
  const size_t from = json.find(std::format("\"hart\": {},", hart));
  const size_t to = json.find("\"hart\": ", from + 1);
  return from == std::string::npos ? "" : json.substr(from, to - from);
}

TEST_F(Profile, CountsEachHartsExitsExactly) {
  constexpr unsigned kHarts = 2;
  VmProcess vm{options(file_.path(), kHarts)};
  ASSERT_TRUE(vm.ends_with(0)) << vm.errors();
  const std::string json = file_.content();
  for (unsigned hart = 0; hart < kHarts; ++hart) {
    const std::string part = part_of_hart(json, hart);
    for (const char* name : {"uart.lsr read", "uart.scr write", "0x9000000.0x7", "nothing at 0x3000 read"}) {
      const std::string row = std::format("\"name\": \"{}\",\n     \"count\": {},", name, 100 * (hart + 1));
      EXPECT_NE(part.find(row), std::string::npos) << row << "\nnot in\n" << part;
    }
  }
  EXPECT_NE(json.find("\"name\": \"shutdown\",\n    \"count\": 1,"), std::string::npos) << json;
  EXPECT_NE(json.find("\"mmio_exit_user\": "), std::string::npos) << json;
}

TEST_F(Profile, ReportShowsComparesAndDraws) {
  VmProcess vm{options(file_.path(), 1)};
  ASSERT_TRUE(vm.ends_with(0)) << vm.errors();
  EXPECT_NE(report_with({file_.path()}).find("mmio uart.lsr read"), std::string::npos);
  EXPECT_NE(report_with({file_.path(), "--against", file_.path()}).find("same"), std::string::npos);
  const TemporaryFile page;
  EXPECT_EQ(report_with({file_.path(), "--html", page.path()}), "");
  EXPECT_NE(page.content().find("</html>"), std::string::npos);
}

TEST_F(Profile, DashIsATableOnStderrBehindTheGuest) {
  VmProcess vm{options("-", 1)};
  ASSERT_TRUE(vm.ends_with(0)) << vm.errors();
  EXPECT_NE(vm.errors().find("mmio uart.lsr read"), std::string::npos) << vm.errors();
  EXPECT_EQ(vm.output(), "");
}

TEST_F(Profile, PlacesInTheGuestHaveNames) {
  const TemporaryFile map{"0000000080200000 T the_guest\n"};
  std::vector<std::string> words = options("-", 1);
  words.insert(words.end(), {"--symbols", map.path()});
  VmProcess vm{words};
  ASSERT_TRUE(vm.ends_with(0)) << vm.errors();
  EXPECT_NE(vm.errors().find("the_guest+0x"), std::string::npos) << vm.errors();
}

TEST_F(Profile, WhatCannotBeWrittenIsOneLine) {
  VmProcess nowhere{options("/none/p.json", 1)};
  EXPECT_TRUE(nowhere.ends_with(64));
  EXPECT_EQ(nowhere.errors(), "rvvmm: --profile /none/p.json: cannot be written: No such file or directory\n");
  VmProcess full{options("/dev/full", 1)};
  EXPECT_TRUE(full.ends_with(70));
  EXPECT_EQ(full.errors(), "rvvmm: --profile /dev/full: cannot be written: No space left on device\n");
}

}  // namespace
}  // namespace rvvmm::test::profile_test

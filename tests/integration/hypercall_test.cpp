// The hypercalls of docs/hypercalls.md, made by a guest in C; and what they leave outside.
#include <gtest/gtest.h>

#include <algorithm>

#include "test_environment.hpp"
#include "vm_process.hpp"

namespace rvvmm::test::hypercall_test {
namespace {

class HypercallGuest : public KvmTest {
 protected:
  std::vector<std::string> arguments(std::vector<std::string> more = {}) const {
    std::vector<std::string> all{"--kernel", environment().guest("hypercall"), "--mem", "64M", "--no-reboot"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

// The guest checks its answers; a check that fails is the status, 43 is what its last batch asks for.
TEST_F(HypercallGuest, GetsEveryAnswerAndEndsWithItsOwnStatus) {
  const TemporaryFile timeline{""};
  VmProcess vm{arguments({"--boot-timeline", timeline.path()})};
  EXPECT_TRUE(vm.ends_with(43));
  EXPECT_EQ(vm.output(), "one call, one exit\n");
  EXPECT_EQ(vm.error_lines(), 1U) << vm.errors();
  EXPECT_NE(vm.errors().find("warning guest: hart 0: a guest?[31m warns"), std::string::npos) << vm.errors();

  const std::string lines = read_file(timeline.path());
  EXPECT_EQ(std::ranges::count(lines, '\n'), 4) << lines;
  size_t at = 0;
  for (const char* event : {R"("event": "harts run"})", R"("event": "mark", "hart": 0, "name": "first"})",
                            R"("event": "mark", "hart": 0, "name": "sec\"ond"})", R"("event": "end"})"}) {
    at = lines.find(event, at);
    ASSERT_NE(at, std::string::npos) << event << " in\n" << lines;
  }
}

// Check 6 of the guest: a mark says that it is not recorded.
TEST_F(HypercallGuest, IsToldThatNobodyRecordsItsMarks) {
  VmProcess vm{arguments()};
  EXPECT_TRUE(vm.ends_with(6));
}

TEST_F(HypercallGuest, LogLevelOfItsModuleDecidesWhatIsShown) {
  const TemporaryFile timeline{""};
  VmProcess vm{arguments({"--boot-timeline", timeline.path(), "--log-level", "guest=debug"})};
  EXPECT_TRUE(vm.ends_with(43));
  EXPECT_EQ(vm.error_lines(), 2U) << vm.errors();
  EXPECT_NE(vm.errors().find("debug guest: hart 0: not shown"), std::string::npos) << vm.errors();
}

// Check 3 of the guest: its line is taken.
TEST_F(HypercallGuest, IsToldThatItsLogIsFull) {
  VmProcess vm{arguments({"--guest-log-limit", "0"})};
  EXPECT_TRUE(vm.ends_with(3));
  EXPECT_EQ(vm.error_lines(), 1U) << vm.errors();
  EXPECT_NE(vm.errors().find("no more of its lines are shown (--guest-log-limit)"), std::string::npos) << vm.errors();
}

}  // namespace
}  // namespace rvvmm::test::hypercall_test

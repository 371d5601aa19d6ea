#include "vmm/commands/report_command.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/error.hpp"
#include "fakes/sample_profile.hpp"
#include "observe/profile_json.hpp"
#include "unit/vmm/boot/boot_files.hpp"
#include "vmm/options/cli.hpp"

namespace rvvmm::report_command_test {
namespace {

using ::testing::HasSubstr;
using testing::MemoryFile;

ReportRequest parse(std::vector<const char*> args) {
  args.insert(args.begin(), "report");
  return std::get<ReportRequest>(parse_command_line(args));
}

std::string refusal_of(const std::vector<const char*>& args) {
  try {
    parse(args);
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kUsage);
    return error.what();
  }
  return "accepted";
}

std::string error_of(const ReportRequest& request) {
  try {
    run_report(request);
  } catch (const SetupError& error) {
    return error.what();
  }
  return "no error";
}

TEST(ReportCommand, TakesAFileAndOptionsInAnyOrder) {
  EXPECT_EQ(parse({"now.json"}), (ReportRequest{.file = "now.json", .against = {}, .html = {}}));
  EXPECT_EQ(parse({"--against", "old.json", "now.json", "--html=now.html"}),
            (ReportRequest{.file = "now.json", .against = "old.json", .html = "now.html"}));
}

TEST(ReportCommand, HelpIsItsOwn) {
  const auto parsed = parse_command_line(std::vector{"report", "--help"});
  EXPECT_THAT(std::get<PrintText>(parsed).text, HasSubstr("--against FILE"));
}

TEST(ReportCommand, MistakesAreNamed) {
  EXPECT_EQ(refusal_of({}), "report: has no file; give one that --profile wrote");
  EXPECT_EQ(refusal_of({"a", "b"}), "report: \"b\" is one file too many");
  EXPECT_EQ(refusal_of({"a", "--agains", "b"}), "--agains: unknown option of report; did you mean --against?");
  EXPECT_EQ(refusal_of({"a", "--zzz"}), "--zzz: unknown option of report; see rvvmm report --help");
  EXPECT_EQ(refusal_of({"a", "--html"}), "--html: its argument is missing; see rvvmm report --help");
  EXPECT_EQ(refusal_of({"a", "--html="}), "--html: \"\" is not a file; give a path");
  EXPECT_EQ(refusal_of({"a", "--html=b", "--html=c"}), "--html: given twice");
}

TEST(ReportCommand, ShowsComparesAndWritesAPage) {
  const MemoryFile now{profile_to_json(sample_profile())};
  EXPECT_THAT(run_report({.file = now.path()}), HasSubstr("1,511 exits of 2 harts"));
  EXPECT_THAT(run_report({.file = now.path(), .against = now.path()}), HasSubstr("same\n"));
  const std::string path = ::testing::TempDir() + "report_" + std::to_string(::getpid()) + ".html";
  EXPECT_EQ(run_report({.file = now.path(), .html = path}), "");
  std::ifstream page{path};
  EXPECT_THAT((std::string{std::istreambuf_iterator<char>{page}, {}}), HasSubstr("</html>"));
  std::filesystem::remove(path);
}

TEST(ReportCommand, FilesThatCannotBeReadOrWrittenAreNamed) {
  const MemoryFile other{"hello"};
  const MemoryFile now{profile_to_json(sample_profile())};
  EXPECT_THAT(error_of({.file = "/none/p"}), HasSubstr("report /none/p: "));
  EXPECT_EQ(error_of({.file = other.path()}),
            "report " + other.path() + ": is not a profile of rvvmm; give a file that --profile wrote");
  EXPECT_THAT(error_of({.file = now.path(), .against = other.path()}), HasSubstr("--against "));
  EXPECT_EQ(error_of({.file = now.path(), .html = "/dev/full"}),
            "--html /dev/full: cannot be written: No space left on device");
}

TEST(ReportCommand, FilesOfMoreThan256MiBAreRefused) {
  const MemoryFile large{"x"};
  ASSERT_EQ(::ftruncate(large.fd(), (256 << 20) + 1), 0);
  EXPECT_EQ(error_of({.file = large.path()}),
            "report " + large.path() + ": is too large for a profile; give a file that --profile wrote");
}

}  // namespace
}  // namespace rvvmm::report_command_test

#include "vmm/watch/boot_timeline.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <rvvmm/hypercall.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.hpp"
#include "base/fd.hpp"

namespace rvvmm::boot_timeline_test {
namespace {

using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BootTimelineTest : public ::testing::Test {
 protected:
  ~BootTimelineTest() override { std::filesystem::remove(path_); }

  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    std::ifstream file{path_};
    for (std::string line; std::getline(file, line);)
      out.push_back(line);
    return out;
  }

  const std::string path_ = ::testing::TempDir() + "boot_timeline_" + std::to_string(::getpid());
};

TEST_F(BootTimelineTest, EventsAndMarksAreLinesInTheirOrder) {
  BootTimeline timeline{path_};
  timeline.record("harts run");
  EXPECT_TRUE(timeline.mark(HartId{3}, "init"));
  EXPECT_THAT(lines(),
              ElementsAre(ContainsRegex(R"(^\{"ms": [0-9]+\.[0-9]{3}, "event": "harts run"\}$)"),
                          ContainsRegex(R"(^\{"ms": [0-9.]+, "event": "mark", "hart": 3, "name": "init"\}$)")));
}

TEST_F(BootTimelineTest, NameOfAnyBytesIsAJsonString) {
  BootTimeline timeline{path_};
  EXPECT_TRUE(timeline.mark(HartId{0}, std::string_view{"a\"\\\n\0\xff", 6}));
  EXPECT_THAT(lines(), ElementsAre(HasSubstr(R"("name": "a\"\\\u000a\u0000\u00ff"})")));
}

TEST_F(BootTimelineTest, LinesHaveALimitButForTheEnd) {
  BootTimeline timeline{path_};
  timeline.record("harts run");
  for (uint32_t i = 1; i < BootTimeline::kMostLines; ++i)
    ASSERT_TRUE(timeline.mark(HartId{0}, "m"));
  EXPECT_FALSE(timeline.mark(HartId{0}, "m"));
  timeline.record("reset");
  EXPECT_EQ(lines().size(), BootTimeline::kMostLines);
  timeline.record_end();
  EXPECT_EQ(lines().size(), BootTimeline::kMostLines + 1);
  EXPECT_THAT(lines().back(), HasSubstr("\"end\""));
}

TEST_F(BootTimelineTest, WithoutAFileNothingIsRecorded) {
  BootTimeline timeline{std::nullopt};
  timeline.record("harts run");
  EXPECT_FALSE(timeline.mark(HartId{0}, "m"));
}

TEST_F(BootTimelineTest, AFullDiskEndsTheRecordingOnce) {
  BootTimeline timeline{"/dev/full"};
  ::testing::internal::CaptureStderr();
  timeline.record("harts run");
  EXPECT_FALSE(timeline.mark(HartId{0}, "m"));
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, HasSubstr("--boot-timeline: cannot be written any more: No space left on device"));
  EXPECT_EQ(std::ranges::count(said, '\n'), 1);
}

TEST_F(BootTimelineTest, TheLongestNameFitsAndALongerOneIsCut) {
  BootTimeline timeline{path_};
  EXPECT_TRUE(timeline.mark(HartId{1023}, std::string(RVVMM_MARK_MAX_BYTES, '\0')));
  EXPECT_TRUE(timeline.mark(HartId{0}, std::string(1'000, 'x')));
  std::string escaped;
  for (int i = 0; i < RVVMM_MARK_MAX_BYTES; ++i)
    escaped += "\\u0000";
  EXPECT_THAT(lines(), ElementsAre(HasSubstr("\"name\": \"" + escaped + "\"}"),
                                   HasSubstr("\"" + std::string(RVVMM_MARK_MAX_BYTES, 'x') + "\"}")));
}

TEST_F(BootTimelineTest, AReaderThatSleepsEndsTheRecordingAndKeepsNobodyWaiting) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  EXPECT_THROW((BootTimeline{path_}), SetupError) << "nobody reads";
  const Fd reader{::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  BootTimeline timeline{path_};
  ::testing::internal::CaptureStderr();
  uint32_t recorded = 0;
  while (timeline.mark(HartId{0}, std::string(RVVMM_MARK_MAX_BYTES, 'x')))
    ++recorded;
  EXPECT_LT(recorded, BootTimeline::kMostLines);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("cannot be written any more"));
}

TEST_F(BootTimelineTest, UnusedFileIsNotLeftBehind) {
  {
    const BootTimeline timeline{path_};
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(BootTimelineTest, PathThatCannotBeWrittenIsAUsageError) {
  EXPECT_THROW((BootTimeline{"/nonexistent/file"}), SetupError);
}

}  // namespace
}  // namespace rvvmm::boot_timeline_test

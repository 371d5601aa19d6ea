#include "vmm/boot_timeline.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/error.hpp"

namespace rvvmm {
namespace {

using ::testing::ContainsRegex;
using ::testing::ElementsAre;

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
  EXPECT_THAT(lines(), ElementsAre(::testing::HasSubstr(R"("name": "a\"\\\u000a\u0000\u00ff"})")));
}

TEST_F(BootTimelineTest, MarksHaveALimit) {
  BootTimeline timeline{path_};
  for (uint32_t i = 0; i < BootTimeline::kMostMarks; ++i)
    ASSERT_TRUE(timeline.mark(HartId{0}, "m"));
  EXPECT_FALSE(timeline.mark(HartId{0}, "m"));
  EXPECT_EQ(lines().size(), BootTimeline::kMostMarks);
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
  EXPECT_THAT(said, ::testing::HasSubstr("--boot-timeline: cannot be written any more: No space left on device"));
  EXPECT_EQ(std::ranges::count(said, '\n'), 1);
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
}  // namespace rvvmm

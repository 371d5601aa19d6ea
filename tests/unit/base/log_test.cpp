#include "base/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace rvvmm::log::log_test {
namespace {

TEST(Log, EveryModuleIsFoundByItsName) {
  for (uint8_t i = 0; i < static_cast<uint8_t>(Module::kCount); ++i) {
    const auto module = static_cast<Module>(i);
    EXPECT_EQ(module_named(name_of(module)), module) << name_of(module);
  }
}

TEST(Log, EveryLevelIsFoundByItsName) {
  for (const Level level : {Level::kTrace, Level::kDebug, Level::kInfo, Level::kWarn, Level::kError, Level::kOff}) {
    EXPECT_EQ(level_named(name_of(level)), level) << name_of(level);
  }
}

TEST(Log, NamesAreExact) {
  for (const char* name : {"", "KVM", "kv", "kvmm", " kvm", "count"})
    EXPECT_FALSE(module_named(name)) << name;
  for (const char* name : {"", "Warn", "warning", "err", "on", "0"})
    EXPECT_FALSE(level_named(name)) << name;
}

TEST(Log, ALevelLetsItselfAndWhatIsGraverPass) {
  set_level(Module::kLoader, Level::kInfo);
  EXPECT_FALSE(enabled(Module::kLoader, Level::kDebug));
  EXPECT_TRUE(enabled(Module::kLoader, Level::kInfo));
  EXPECT_TRUE(enabled(Module::kLoader, Level::kError));
  set_level(Module::kLoader, Level::kOff);
  EXPECT_FALSE(enabled(Module::kLoader, Level::kError));
  set_level(Module::kLoader, Level::kWarn);
}

TEST(Log, ModulesHaveLevelsOfTheirOwn) {
  set_level(Module::kSbi, Level::kTrace);
  EXPECT_FALSE(enabled(Module::kKvm, Level::kTrace));
  set_level(Module::kSbi, Level::kWarn);
}

TEST(Log, AFileThatCannotBeWrittenIsRefusedNamingIt) {
  try {
    write_to_file("/nonexistent-directory/rvvmm.log");
    FAIL() << "opened";
  } catch (const SetupError& problem) {
    EXPECT_THAT(problem.what(), testing::StartsWith("--log-file /nonexistent-directory/rvvmm.log: "));
    EXPECT_EQ(problem.status(), ExitStatus::kUsage);
  }
}

std::filesystem::path log_path(const char* name) {
  return std::filesystem::path{testing::TempDir()} / (name + std::to_string(::getpid()));
}

TEST(LogFile, OneThatWasMadeInVainIsRemoved) {
  const auto path = log_path("rvvmm_log_unused.");
  write_to_file(path.string());
  EXPECT_TRUE(std::filesystem::exists(path));
  remove_unused_file();
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(LogFile, OneWithLinesStays) {
  const auto path = log_path("rvvmm_log_used.");
  write_to_file(path.string());
  line(Module::kDevices, Level::kWarn, "why it failed");
  remove_unused_file();
  EXPECT_TRUE(std::filesystem::exists(path));
  std::filesystem::remove(path);
}

TEST(LogFile, OneThatWasThereBeforeStays) {
  const auto path = log_path("rvvmm_log_before.");
  std::ofstream{path};
  write_to_file(path.string());
  remove_unused_file();
  EXPECT_TRUE(std::filesystem::exists(path));
  std::filesystem::remove(path);
}

TEST(LogFile, OneThatCannotBeWrittenIsSaidOnce) {
  write_to_file("/dev/full");
  ::testing::internal::CaptureStderr();
  EXPECT_FALSE(line(Module::kDevices, Level::kWarn, "one"));
  EXPECT_FALSE(line(Module::kDevices, Level::kWarn, "two"));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "rvvmm: --log-file /dev/full: cannot be written: No space left on device; lines are lost\n");
}

// From here on this process logs into a file that has no name any more.
TEST(LogFile, GetsLinesOfEnabledLevelsWithTheirModule) {
  const auto path = std::filesystem::path{testing::TempDir()} / ("rvvmm_log_test." + std::to_string(::getpid()));
  std::filesystem::remove(path);
  write_to_file(path.string());
  line(Module::kDevices, Level::kWarn, "uart {:#x} {}", 0x10, "full");
  line(Module::kDevices, Level::kDebug, "not {}", "seen");
  std::stringstream text;
  text << std::ifstream{path}.rdbuf();
  std::filesystem::remove(path);
  EXPECT_THAT(text.str(), testing::HasSubstr("warning devices: uart 0x10 full\n"));
  EXPECT_THAT(text.str(), testing::Not(testing::HasSubstr("seen")));
}

TEST(RateLimit, AllowsABurstAndThenPowersOfTwo) {
  RateLimit limit{"test of a burst"};
  std::vector<int> allowed;
  for (int i = 1; i <= 100; ++i) {
    if (limit.allow()) allowed.push_back(i);
  }
  EXPECT_THAT(allowed, testing::ElementsAre(1, 2, 3, 4, 8, 16, 32, 64));
  EXPECT_EQ(limit.count(), 100U);
}

// A device that is made anew by each reset of the machine.
TEST(RateLimit, GoesOnWhereTheOneOfThatNameBeforeItEnded) {
  int allowed = 0;
  for (int reset = 0; reset < 64; ++reset) {
    RateLimit limit{"test of resets", "disk0"};
    if (limit.allow()) ++allowed;
  }
  EXPECT_EQ(allowed, 4 + 4) << "1 to 4, 8, 16, 32, 64";
  RateLimit other{"test of resets", "disk1"};
  EXPECT_TRUE(other.allow());
  EXPECT_EQ(other.count(), 1U);
}

}  // namespace
}  // namespace rvvmm::log::log_test

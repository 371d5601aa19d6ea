#include "base/output_file.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "base/error.hpp"

namespace rvvmm::output_file_test {
namespace {

using Start = OutputFile::Start;

class OutputFileTest : public ::testing::Test {
 protected:
  OutputFileTest() { std::filesystem::create_directory(folder_); }
  ~OutputFileTest() override { std::filesystem::remove_all(folder_); }

  std::string content() const {
    std::ifstream file{path_};
    return {std::istreambuf_iterator<char>{file}, {}};
  }
  bool exists() const { return std::filesystem::exists(path_); }

  const std::string folder_ = ::testing::TempDir() + "output_file_" + std::to_string(::getpid());
  const std::string path_ = folder_ + "/file";
};

TEST_F(OutputFileTest, EmptiesOrAppendsAsTold) {
  EXPECT_EQ((OutputFile{"--x", path_, Start::kEmptied}.write("one")), 0);
  EXPECT_EQ((OutputFile{"--x", path_, Start::kAtEnd}.write("two")), 0);
  EXPECT_EQ(content(), "onetwo");
  EXPECT_EQ((OutputFile{"--x", path_, Start::kEmptied}.write("three")), 0);
  EXPECT_EQ(content(), "three");
}

TEST_F(OutputFileTest, AStartThatFailsBeforeTheFirstWriteLeavesWhatWasThere) {
  std::ofstream{path_} << "the run before";
  {
    const OutputFile file{"--x", path_, Start::kEmptied};
    file.remove_if_unused();
  }
  EXPECT_EQ(content(), "the run before");
  OutputFile file{"--x", path_, Start::kEmptied};
  EXPECT_EQ(file.write("one"), 0);
  EXPECT_EQ(file.write("two"), 0);
  EXPECT_EQ(content(), "onetwo");
}

TEST_F(OutputFileTest, FileThatItMadeAndNobodyWroteIsRemoved) {
  const OutputFile file{"--x", path_, Start::kAtEnd};
  EXPECT_TRUE(exists());
  file.remove_if_unused();
  EXPECT_FALSE(exists());
}

TEST_F(OutputFileTest, FileThatWasThereOrHasContentStays) {
  std::ofstream{path_}.close();
  OutputFile{"--x", path_, Start::kEmptied}.remove_if_unused();
  EXPECT_TRUE(exists());
  std::filesystem::remove(path_);
  OutputFile file{"--x", path_, Start::kEmptied};
  EXPECT_EQ(file.write("x"), 0);
  file.remove_if_unused();
  EXPECT_TRUE(exists());
}

TEST_F(OutputFileTest, WriteSaysWhatStoppedIt) {
  OutputFile full{"--x", "/dev/full", Start::kEmptied};
  EXPECT_EQ(full.write("x"), ENOSPC);
  full.remove();
  EXPECT_TRUE(std::filesystem::exists("/dev/full")) << "a device is not ours to remove";
}

TEST_F(OutputFileTest, WhatCannotBeOpenedIsNamedWithItsOption) {
  try {
    OutputFile{"--x", folder_ + "/none/fi\nle", Start::kEmptied};
    FAIL() << "opened";
  } catch (const SetupError& problem) {
    EXPECT_EQ(problem.status(), ExitStatus::kUsage);
    EXPECT_EQ(problem.what(), "--x " + folder_ + "/none/fi?le: cannot be written: No such file or directory");
  }
}

}  // namespace
}  // namespace rvvmm::output_file_test

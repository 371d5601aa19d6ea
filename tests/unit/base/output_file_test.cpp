#include "base/output_file.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/errno_signals.hpp"
#include "base/error.hpp"
#include "base/waiting_write.hpp"

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
  try {
    full.write_whole("x", OutputFile::kNever);
    FAIL() << "written";
  } catch (const SetupError& problem) {
    EXPECT_EQ(problem.status(), ExitStatus::kInternal);
    EXPECT_STREQ(problem.what(), "--x /dev/full: cannot be written: No space left on device");
  }
  EXPECT_TRUE(std::filesystem::exists("/dev/full")) << "a device is not ours to remove";
}

TEST_F(OutputFileTest, WhatDoesNotFitTheLimitOfAFilesSizeLeavesNoPart) {
  const pid_t child = ::fork();
  if (child == 0) {
    handle_errno_signals(SIG_IGN);
    const rlimit limit{.rlim_cur = 4096, .rlim_max = 4096};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int status = 1;
    try {
      OutputFile{"--x", path_, Start::kEmptied}.write_whole(std::string(10'000, 'x'), OutputFile::kNever);
    } catch (const SetupError& problem) {
      status = problem.what() == "--x " + path_ + ": cannot be written: File too large" ? 0 : 2;
    }
    ::_exit(status);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_FALSE(exists());
}

TEST_F(OutputFileTest, AFifoWithoutAReaderIsRefusedAtOnce) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  for (const Start start : {Start::kEmptied, Start::kAtEnd}) {
    try {
      OutputFile{"--x", path_, start};
      FAIL() << "opened";
    } catch (const SetupError& problem) {
      EXPECT_EQ(problem.status(), ExitStatus::kUsage);
      EXPECT_EQ(problem.what(),
                "--x " + path_ + ": cannot be written: it is a FIFO that nobody reads; start its reader first");
    }
  }
}

TEST_F(OutputFileTest, AReaderIsWaitedForAsLongAsItIsAskedTo) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  const Fd reader{::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
  OutputFile file{"--x", path_, Start::kEmptied};
  const int held = ::fcntl(reader.get(), F_GETPIPE_SZ);
  ASSERT_GT(held, 0);
  const std::string large(static_cast<size_t>(held) * 3, 'x');
  EXPECT_EQ(file.write(large), EAGAIN) << "it is more than the pipe holds, and nobody reads it";
  std::atomic<bool> give_up = true;
  EXPECT_EQ(file.write(large, &give_up), EAGAIN);
  std::string got;
  std::jthread late{[&] {
    std::this_thread::sleep_for(4 * kReaderPatience);
    std::array<char, 65536> piece;
    while (got.size() < static_cast<size_t>(held) + large.size()) {
      pollfd readable{.fd = reader.get(), .events = POLLIN, .revents = 0};
      ::poll(&readable, 1, -1);
      if (const ssize_t count = ::read(reader.get(), piece.data(), piece.size()); count > 0)
        got.append(piece.data(), static_cast<size_t>(count));
    }
  }};
  give_up = false;
  EXPECT_EQ(file.write(large, &give_up), 0);
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

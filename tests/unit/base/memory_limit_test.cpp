#include "base/memory_limit.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "base/range.hpp"

namespace rvvmm::memory_limit_test {
namespace {

class MemoryLimitTest : public ::testing::Test {
 protected:
  MemoryLimitTest() {
    std::string name = ::testing::TempDir() + "rvvmm-cgroup-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    std::filesystem::create_directories(root_ + "/user/shell");
    write("own", "12:pids:/somewhere\n0::/user/shell\n");
  }
  ~MemoryLimitTest() override { std::filesystem::remove_all(root_); }

  void write(const std::string& file, const std::string& content) const {
    std::ofstream{root_ + "/" + file} << content;
  }
  std::optional<uint64_t> limit(uint64_t host_swap = 0) const {
    const auto limit = memory_limit(host_swap, root_ + "/own", root_);
    if (!limit) return std::nullopt;
    return limit->bytes;
  }

  std::string root_;
};

TEST_F(MemoryLimitTest, NoLimitIsNone) {
  EXPECT_EQ(limit(), std::nullopt);
  write("user/memory.max", "max\n");
  write("user/shell/memory.max", "max\n");
  EXPECT_EQ(limit(), std::nullopt);
}

TEST_F(MemoryLimitTest, TheTightestOfThoseAroundCounts) {
  write("memory.max", "3145728\n");
  write("user/memory.max", "1048576\n");
  write("user/shell/memory.max", "2097152\n");
  const auto tightest = memory_limit(0, root_ + "/own", root_);
  ASSERT_TRUE(tightest);
  EXPECT_EQ(tightest->bytes, 1_MiB);
  EXPECT_EQ(tightest->file, root_ + "/user/memory.max");
}

TEST_F(MemoryLimitTest, TheRootOfAContainerHasItsLimit) {
  write("own", "0::/\n");
  write("memory.max", "1048576\n");
  EXPECT_EQ(limit(), 1_MiB);
}

TEST_F(MemoryLimitTest, SwapIsRoomToo) {
  write("user/shell/memory.max", "1048576\n");
  EXPECT_EQ(limit(4_MiB), 5_MiB);
  EXPECT_EQ(limit(UINT64_MAX), UINT64_MAX);
  write("user/shell/memory.swap.max", "2097152\n");
  EXPECT_EQ(limit(4_MiB), 3_MiB);
  write("user/shell/memory.swap.max", "0\n");
  EXPECT_EQ(limit(4_MiB), 1_MiB);
}

TEST_F(MemoryLimitTest, FilesThatAreMissingOrSayNothingAreNoLimit) {
  write("user/shell/memory.max", "");
  EXPECT_EQ(limit(), std::nullopt);
  write("own", "");
  write("memory.max", "1\n");
  EXPECT_EQ(limit(), std::nullopt);
  write("own", "0::\n");
  EXPECT_EQ(limit(), std::nullopt);
  EXPECT_EQ(memory_limit(0, root_ + "/none", root_), std::nullopt);
}

}  // namespace
}  // namespace rvvmm::memory_limit_test

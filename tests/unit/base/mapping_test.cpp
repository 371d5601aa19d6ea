#include "base/mapping.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/types.hpp"

namespace rvvmm::mapping_test {
namespace {

TEST(Mapping, AnonymousMemoryStartsAtTheAlignment) {
  for (const uint64_t alignment : {4_KiB, 2_MiB, 16_MiB}) {
    const Mapping mapping = Mapping::anonymous(8_KiB, alignment, "test");
    EXPECT_EQ(reinterpret_cast<uintptr_t>(mapping.bytes().data()) % alignment, 0U) << alignment;
    EXPECT_EQ(mapping.bytes().size(), 8_KiB);
    mapping.bytes().back() = std::byte{1};
  }
}

TEST(Mapping, MovingLeavesNothingBehind) {
  Mapping from = Mapping::anonymous(4_KiB, 4_KiB, "test");
  const std::byte* const at = from.bytes().data();
  Mapping to;
  to = std::move(from);
  EXPECT_EQ(to.bytes().data(), at);
  EXPECT_TRUE(from.bytes().empty());  // NOLINT(bugprone-use-after-move,clang-analyzer-cplusplus.Move): the claim
}

TEST(Mapping, SharedMemoryIsThatOfTheFile) {
  const Fd file{::memfd_create("mapping_test", MFD_CLOEXEC)};
  ASSERT_TRUE(file);
  ASSERT_EQ(::ftruncate(file.get(), 4096), 0);
  const Mapping one = Mapping::shared(file.get(), 4_KiB, "test");
  const Mapping other = Mapping::shared(file.get(), 4_KiB, "test");
  one.bytes()[100] = std::byte{42};
  EXPECT_EQ(other.bytes()[100], std::byte{42});
}

TEST(Mapping, ARefusalNamesWhatWasMapped) {
  try {
    Mapping::shared(-1, 4_KiB, "vCPU registers");
    FAIL() << "mapped";
  } catch (const SetupError& problem) {
    EXPECT_THAT(problem.what(), testing::StartsWith("vCPU registers: "));
  }
}

TEST(Mapping, MoreThanThereIsRoomForIsRefused) {
  for (const uint64_t size : {UINT64_MAX - 4095, uint64_t{1} << 62}) {
    try {
      Mapping::anonymous(size, 2_MiB, "--mem 4194304T");
      FAIL() << "mapped";
    } catch (const SetupError& problem) {
      EXPECT_EQ(problem.status(), ExitStatus::kUsage);
      EXPECT_THAT(problem.what(), testing::StartsWith("--mem 4194304T: is more than "));
    }
  }
}

}  // namespace
}  // namespace rvvmm::mapping_test

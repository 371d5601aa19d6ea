#include "base/guest_memory.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <filesystem>
#include <format>
#include <fstream>
#include <string>

#include "base/error.hpp"

namespace rvvmm::guest_memory_test {
namespace {

constexpr Gpa kBase{0x8000'0000};
constexpr uint64_t kSize = 64_KiB;
constexpr Gpa kLast{kBase.value + kSize - 1};

class GuestMemoryTest : public testing::Test {
 protected:
  GuestMemory memory_{kBase, kSize};
};

TEST_F(GuestMemoryTest, IsZeroAndAlignedForHugePages) {
  EXPECT_EQ(memory_.bytes().size(), kSize);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory_.bytes().data()) % 2_MiB, 0U);
  EXPECT_TRUE(std::ranges::all_of(memory_.bytes(), [](std::byte b) { return b == std::byte{0}; }));
}

TEST_F(GuestMemoryTest, TheLastByteIsReadableAndTheNextIsNot) {
  EXPECT_TRUE(memory_.load<uint8_t>(kLast));
  EXPECT_FALSE(memory_.load<uint8_t>(kLast + 1));
  EXPECT_FALSE(memory_.load<uint16_t>(kLast));
}

TEST_F(GuestMemoryTest, TheFirstByteIsReadableAndTheOneBeforeIsNot) {
  EXPECT_TRUE(memory_.load<uint8_t>(kBase));
  EXPECT_FALSE(memory_.load<uint8_t>(Gpa{kBase.value - 1}));
  EXPECT_FALSE(memory_.load<uint16_t>(Gpa{kBase.value - 1}));
}

TEST_F(GuestMemoryTest, AnAddressInTwoWordsIsInMemoryOnlyWithAHighWordOfZero) {
  EXPECT_EQ(memory_.slice_of_words(kLast.value, 0, 1)->data(), memory_.slice(kLast, 1)->data());
  EXPECT_FALSE(memory_.slice_of_words(kLast.value, 0, 2));
  EXPECT_FALSE(memory_.slice_of_words(kLast.value, 1, 1));
}

TEST_F(GuestMemoryTest, StoresAreLittleEndianAtAnyAlignment) {
  ASSERT_TRUE(memory_.store(kBase + 1, uint32_t{0x0403'0201}));
  EXPECT_EQ(memory_.load<uint8_t>(kBase + 1), 1);
  EXPECT_EQ(memory_.load<uint32_t>(kBase + 1), 0x0403'0201U);
  EXPECT_EQ(memory_.load<uint64_t>(kBase), 0x04'0302'0100U);
}

TEST_F(GuestMemoryTest, AStoreThatLeavesMemoryWritesNothing) {
  EXPECT_FALSE(memory_.store(kLast, uint16_t{0xFFFF}));
  EXPECT_EQ(memory_.load<uint8_t>(kLast), 0);
}

TEST_F(GuestMemoryTest, ASliceIsTheMemoryItself) {
  const auto slice = memory_.slice(kBase + 16, 4);
  ASSERT_TRUE(slice);
  EXPECT_EQ(slice->data(), memory_.bytes().data() + 16);
  EXPECT_EQ(slice->size(), 4U);
}

TEST_F(GuestMemoryTest, ASliceOfEverythingIsTheLongest) {
  EXPECT_TRUE(memory_.slice(kBase, kSize));
  EXPECT_FALSE(memory_.slice(kBase, kSize + 1));
  EXPECT_FALSE(memory_.slice(kBase + 1, kSize));
}

TEST_F(GuestMemoryTest, AnEmptySliceMayStandAtTheEndButNotBehind) {
  const auto slice = memory_.slice(kLast + 1, 0);
  ASSERT_TRUE(slice);
  EXPECT_TRUE(slice->empty());
  EXPECT_FALSE(memory_.slice(kLast + 2, 0));
}

TEST_F(GuestMemoryTest, HugeLengthsNeverWrap) {
  EXPECT_FALSE(memory_.slice(kBase, UINT64_MAX));
  EXPECT_FALSE(memory_.slice(kLast, UINT64_MAX));
  EXPECT_FALSE(memory_.slice(Gpa{UINT64_MAX}, UINT64_MAX));
  EXPECT_FALSE(memory_.slice(Gpa{0}, UINT64_MAX));
}

TEST_F(GuestMemoryTest, DiscardedItIsZeroAgainAtTheSamePlace) {
  const std::byte* const at = memory_.bytes().data();
  ASSERT_TRUE(memory_.store(kLast, uint8_t{1}));
  memory_.discard();
  EXPECT_EQ(memory_.bytes().data(), at);
  EXPECT_EQ(memory_.load<uint8_t>(kLast), 0);
}

/// What the kernel says of the mapping at `at`: "Rss", "VmFlags" and others of /proc/self/smaps.
std::string smaps(const void* at, std::string_view field) {
  std::ifstream file{"/proc/self/smaps"};
  const std::string begin = std::format("{:x}-", reinterpret_cast<uintptr_t>(at));
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    inside |= line.starts_with(begin);
    if (inside && line.starts_with(field)) return line.substr(field.size() + 1) + " ";
  }
  return {};
}

uint64_t resident(const GuestMemory& memory) {
  const std::string kib = smaps(memory.bytes().data(), "Rss");
  return kib.empty() ? 0 : std::stoull(kib) * 1_KiB;
}

/// False under an emulator of user programs (qemu-user), which answers for the kernel.
bool kernel_tells() {
  const GuestMemory memory{kBase, 4_KiB};
  memory.store(kBase, uint8_t{1});
  return resident(memory) == 4_KiB;
}

TEST(GuestMemoryOptions, SharedRamIsAFileThatOthersCanMap) {
  const GuestMemory memory{kBase, 4_MiB, {.shared = true}};
  EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.bytes().data()) % 2_MiB, 0U);
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
    std::error_code gone;
    if (std::filesystem::read_symlink(entry, gone).string().contains("rvvmm-ram")) found = entry.path();
  }
  ASSERT_NE(found, "");
  const Fd file{::open(found.c_str(), O_RDWR | O_CLOEXEC)};
  ASSERT_TRUE(file);
  const Mapping other = Mapping::shared(file.get(), 4_MiB, "test");
  ASSERT_TRUE(memory.store(kBase + 4096, uint8_t{42}));
  EXPECT_EQ(other.bytes()[4096], std::byte{42});
  memory.discard();
  EXPECT_EQ(other.bytes()[4096], std::byte{0});
  EXPECT_EQ(memory.load<uint8_t>(kBase + 4096), 0);
  struct stat facts{};
  ASSERT_EQ(::fstat(file.get(), &facts), 0);
  EXPECT_LE(facts.st_blocks * 512, 2 * 2'097'152) << "what was read is there again, no more";
}

TEST(GuestMemoryOptions, PrefaultedRamIsThereAtOnceAndStays) {
  if (!kernel_tells()) GTEST_SKIP() << "no /proc/self/smaps of a kernel";
  for (const bool shared : {false, true}) {
    const GuestMemory memory{kBase, 4_MiB, {.shared = shared, .prefault = true}};
    EXPECT_EQ(resident(memory), 4_MiB) << shared;
    ASSERT_TRUE(memory.store(kBase + (4_MiB - 8), uint64_t{1}));
    memory.discard();
    EXPECT_EQ(resident(memory), 4_MiB) << shared;
    EXPECT_EQ(memory.load<uint64_t>(kBase + (4_MiB - 8)), 0U);
  }
}

TEST(GuestMemoryOptions, RamIsNotTouchedWithoutPrefault) {
  const GuestMemory memory{kBase, 4_MiB};
  EXPECT_EQ(resident(memory), 0U);
}

TEST(GuestMemoryOptions, TheHostIsToldOfHugePagesAndMerging) {
  if (!kernel_tells() || !std::filesystem::exists("/sys/kernel/mm/transparent_hugepage")) {
    GTEST_SKIP() << "no transparent huge pages, or no /proc/self/smaps of a kernel";
  }
  const GuestMemory usual{kBase, 4_MiB};
  EXPECT_TRUE(smaps(usual.bytes().data(), "VmFlags").contains(" hg "));
  const GuestMemory off{kBase, 4_MiB, {.huge_pages = HugePages::kOff}};
  EXPECT_TRUE(smaps(off.bytes().data(), "VmFlags").contains(" nh "));
}

TEST(GuestMemoryOptions, MergingIsAskedOfTheHostOrRefused) {
  try {
    const GuestMemory memory{kBase, 4_MiB, {.merge = true}};
    if (kernel_tells()) {
      EXPECT_TRUE(smaps(memory.bytes().data(), "VmFlags").contains(" mg "));
    }
  } catch (const SetupError& problem) {
    EXPECT_FALSE(std::filesystem::exists("/sys/kernel/mm/ksm"));
    EXPECT_EQ(problem.status(), ExitStatus::kHostUnsupported);
    EXPECT_THAT(problem.what(), testing::StartsWith("--mem 4M,merge: "));
  }
}

TEST(GuestMemoryOptions, MoreHugePagesThanThePoolHasIsRefusedWithBothNumbers) {
  for (const bool shared : {false, true}) {
    try {
      const GuestMemory memory{kBase, 1_GiB << 20, {.huge_pages = HugePages::k2MiB, .shared = shared}};
      FAIL() << "mapped";
    } catch (const SetupError& problem) {
      EXPECT_EQ(problem.status(), ExitStatus::kHostUnsupported);
      EXPECT_THAT(problem.what(), testing::StartsWith("--mem 1024T,hugepages=2M: "));
      if (!std::filesystem::exists("/sys/kernel/mm/hugepages/hugepages-2048kB")) continue;
      EXPECT_THAT(problem.what(), testing::HasSubstr("needs 536870912 pages of the host's pool, which has "));
      EXPECT_THAT(problem.what(), testing::HasSubstr("vm.nr_hugepages=536870912"));
    }
  }
}

TEST(GuestMemoryOptions, MoreThanTheHostHasIsNotPrefaulted) {
  struct sysinfo host{};
  ASSERT_EQ(::sysinfo(&host), 0);
  try {
    const GuestMemory memory{kBase, align_up(uint64_t{host.totalram} * host.mem_unit + 1, 2_MiB), {.prefault = true}};
    FAIL() << "mapped";
  } catch (const SetupError& problem) {
    EXPECT_EQ(problem.status(), ExitStatus::kUsage);
    EXPECT_THAT(problem.what(), testing::HasSubstr("prefault: this host has "));
  }
}

// Runs where the host has huge pages to spare (sysctl vm.nr_hugepages=2).
TEST(GuestMemoryOptions, RamOfAPoolIsZeroAgainAfterAReset) {
  for (const bool shared : {false, true}) {
    try {
      const GuestMemory memory{kBase, 4_MiB, {.huge_pages = HugePages::k2MiB, .shared = shared}};
      EXPECT_EQ(std::stoull(smaps(memory.bytes().data(), "KernelPageSize")), 2048U);
      ASSERT_TRUE(memory.store(kBase + (4_MiB - 8), uint64_t{1}));
      memory.discard();
      EXPECT_EQ(memory.load<uint64_t>(kBase + (4_MiB - 8)), 0U);
    } catch (const SetupError&) {
      GTEST_SKIP() << "the host has no two huge pages of 2 MiB to spare";
    }
  }
}

TEST(GuestMemory, ASizeThatNoHostHasIsRefusedNamingTheOption) {
  try {
    const GuestMemory memory{kBase, UINT64_MAX & ~0xFFFUL};
    FAIL() << "mapped";
  } catch (const SetupError& problem) {
    EXPECT_THAT(problem.what(), testing::HasSubstr("--mem"));
  }
}

}  // namespace
}  // namespace rvvmm::guest_memory_test

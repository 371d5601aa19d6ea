#include "vmm/boot/boot_images.hpp"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "unit/vmm/boot/boot_files.hpp"
#include "vmm/options/option_values.hpp"

namespace rvvmm::boot_images_test {
namespace {

using namespace rvvmm::testing;

constexpr uint64_t kDtbSize = 10'000;
constexpr uint64_t kDtbRoomHere = 2'000;  // of these

struct Files {
  std::string kernel = image(5000, {.image_size = 1_MiB});
  std::optional<std::string> initrd = std::nullopt;
};

struct Loaded {
  BootLayout layout;
  Gpa dtb;
};

/// Loads, and checks what must hold for every layout.
Loaded load(const GuestMemory& memory, const Files& files, uint64_t dtb_size = kDtbSize) {
  const MemoryFile kernel{files.kernel};
  const MemoryFile initrd{files.initrd.value_or("")};
  Config config;
  config.kernel = kernel.path();
  if (files.initrd) config.initrds = {initrd.path()};
  const BootImages images{config};
  const BootLayout layout = images.load(memory, [dtb_size] { return dtb_size; });
  const DeviceTree dtb{.bytes = std::vector<std::byte>(dtb_size - kDtbRoomHere, std::byte{0xd7}), .size = dtb_size};
  const GpaRange tree{.base = place_dtb(memory, layout, dtb), .size = dtb_size};

  const GpaRange second = layout.initrd.value_or(GpaRange{});
  EXPECT_TRUE(memory.range().contains(layout.kernel.base, layout.kernel.size));
  EXPECT_TRUE(memory.range().contains(tree.base, tree.size));
  EXPECT_FALSE(layout.kernel.overlaps(second));
  EXPECT_FALSE(layout.kernel.overlaps(tree));
  EXPECT_FALSE(second.overlaps(tree));
  EXPECT_EQ(tree.base.value % 8, 0U);
  EXPECT_EQ(text_at(memory, tree.base, dtb.bytes.size()), std::string(dtb.bytes.size(), '\xd7'));
  if (files.initrd) {
    EXPECT_EQ(second.base.value % 4096, 0U);
    EXPECT_EQ(text_at(memory, second.base, second.size), *files.initrd);
  }
  return {.layout = layout, .dtb = tree.base};
}

TEST(BootImages, InitrdAndTreeGoToTheTopOfRam) {
  const GuestMemory memory{kRamBase, 128_MiB};
  const Loaded loaded = load(memory, {.initrd = pattern(10'000)});
  EXPECT_EQ(loaded.dtb, kRamBase + 126_MiB);
  EXPECT_EQ(loaded.layout.initrd, (GpaRange{.base = kRamBase + (126_MiB - 0x3000), .size = 10'000}));
  EXPECT_EQ(loaded.layout.kernel, (GpaRange{.base = kRamBase + 2_MiB, .size = 1_MiB}));
}

TEST(BootImages, TreeSharesTheBlockOfAKernelThatLeavesHalfOfItFree) {
  const GuestMemory memory{kRamBase, 128_MiB};
  EXPECT_EQ(load(memory, {.kernel = image(5000, {.image_size = 1_MiB - 0x3000})}).dtb, kRamBase + (4_MiB - 0x3000));
  EXPECT_EQ(load(memory, {.kernel = image(5000, {.image_size = 1_MiB - 0x2000})}).dtb, kRamBase + 126_MiB);
}

TEST(BootImages, TreeStaysAwayFromAKernelThatDoesNotSayWhatItUses) {
  const GuestMemory memory{kRamBase, 128_MiB};
  EXPECT_EQ(load(memory, {.kernel = image(5000, {.image_size = 0})}).dtb, kRamBase + 126_MiB);
  EXPECT_EQ(load(memory, {.kernel = pattern(4096)}).dtb, kRamBase + 126_MiB);
}

TEST(BootImages, TreeDoesNotShareTheKernelsBlockWithAnInitrdThatIsThere) {
  const GuestMemory memory{kRamBase, 4_MiB};
  const Files files{.kernel = elf({{.paddr = 0, .content = pattern(4096)}}, 0), .initrd = pattern(1'500'000)};
  const Loaded loaded = load(memory, files);
  EXPECT_LT(loaded.dtb, loaded.layout.initrd->base);
}

TEST(BootImages, NoInitrdIsNone) {
  const GuestMemory memory{kRamBase, 128_MiB};
  EXPECT_EQ(load(memory, {}).layout.initrd, std::nullopt);
}

TEST(BootImages, SeveralInitrdsBecomeOneEachAtAMultipleOfFour) {
  const GuestMemory memory{kRamBase, 16_MiB};
  std::memset(memory.bytes().data(), 0xaa, memory.bytes().size());
  const MemoryFile kernel{image(5000, {.image_size = 1_MiB})};
  const MemoryFile first{"12345"};
  const MemoryFile second{"abcd"};
  const MemoryFile third{"xyz"};
  Config config;
  config.kernel = kernel.path();
  config.initrds = {first.path(), second.path(), third.path()};
  const auto initrd = BootImages{config}.load(memory).initrd;
  ASSERT_TRUE(initrd.has_value());
  EXPECT_EQ(initrd->base.value % 4096, 0U);
  EXPECT_EQ(text_at(memory, initrd->base, initrd->size), std::string("12345\0\0\0abcdxyz", 15));
}

TEST(BootImages, LoadingAgainOverGarbageGivesTheSame) {
  const GuestMemory memory{kRamBase, 16_MiB};
  const Loaded first = load(memory, {.initrd = pattern(10'000)});
  std::memset(memory.bytes().data(), 0xaa, memory.bytes().size());
  const Loaded second = load(memory, {.initrd = pattern(10'000)});
  EXPECT_EQ(first.layout.entry, second.layout.entry);
  EXPECT_EQ(first.layout.initrd, second.layout.initrd);
}

TEST(BootImages, TwoMiBOfRamHoldAKernelAtTheirBase) {
  const GuestMemory memory{kRamBase, 2_MiB};
  load(memory, {.kernel = elf({{.paddr = 0x8000'0000, .content = "code"}}, 0x8000'0000), .initrd = pattern(100'000)});
}

TEST(BootImages, FourMiBOfRamHoldASmallKernel) {
  const GuestMemory memory{kRamBase, 4_MiB};
  const Loaded loaded = load(memory, {.kernel = elf({{.paddr = 0, .content = pattern(4096)}}, 0)});
  EXPECT_EQ(loaded.dtb, kRamBase + (4_MiB - 0x3000));
}

TEST(BootImages, FourMiBOfRamHoldASmallKernelAndInitrd) {
  const GuestMemory memory{kRamBase, 4_MiB};
  load(memory, {.kernel = elf({{.paddr = 0, .content = pattern(4096)}}, 0), .initrd = pattern(1'500'000)});
}

TEST(BootImages, KernelAtTheTopOfRamLeavesWhatLiesBelowIt) {
  const GuestMemory memory{kRamBase, 16_MiB};
  load(memory,
       {.kernel = elf({{.paddr = 0x80f0'0000, .content = "code", .bss = 1_MiB - 4}}, 0x80f0'0000), .initrd = "initrd"});
}

TEST(BootImages, OneTiBOfRamCostsNothing) {
  std::optional<GuestMemory> memory;
  try {
    memory.emplace(kRamBase, 1024_GiB);
  } catch (const SetupError&) {
    GTEST_SKIP() << "this host maps no 1 TiB";
  }
  rusage before{};
  rusage after{};
  ::getrusage(RUSAGE_SELF, &before);
  const Loaded loaded = load(*memory, {.initrd = pattern(10'000)});
  ::getrusage(RUSAGE_SELF, &after);
  EXPECT_EQ(loaded.dtb, kRamBase + (3_GiB - 2_MiB)) << "low RAM is preferred: old loaders look no further";
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 64 * 1024);
}

TEST(BootImages, KernelThatFillsLowRamSendsTheRestAbove) {
  const GuestMemory memory{kRamBase, 8_GiB};
  const Loaded loaded = load(memory, {.kernel = image(64, {.image_size = 3_GiB}), .initrd = "initrd"});
  EXPECT_EQ(loaded.dtb, kRamBase + (8_GiB - 2_MiB));
}

TEST(BootImages, InitrdThatDoesNotFitSaysHowMuchRamItNeeds) {
  const GuestMemory memory{kRamBase, 4_MiB};
  EXPECT_EQ(bad_input([&] { load(memory, {.initrd = pattern(2_MiB + 1)}); }),
            "--mem 4M: the initrd needs 3 MiB from 0x80300000, give at least --mem 5124K");
}

TEST(BootImages, InitrdLargerThanAnyMachinesRamIsRefused) {
  const GuestMemory memory{kRamBase, 4_MiB};
  const MemoryFile kernel{image(5000)};
  const MemoryFile initrd{"initrd"};
  ASSERT_EQ(::ftruncate(initrd.fd(), static_cast<off_t>(kLargestRam + 1)), 0);
  Config config;
  config.kernel = kernel.path();
  config.initrds = {initrd.path()};
  const BootImages images{config};
  EXPECT_EQ(bad_input([&] { images.load(memory); }),
            "--initrd " + initrd.path() + ": is larger than any machine's RAM");
}

TEST(BootImages, KernelThatDoesNotFitCountsTheInitrdInItsAdvice) {
  const GuestMemory memory{kRamBase, 4_MiB};
  const Files files{.kernel = image(64, {.image_size = 6_MiB}), .initrd = pattern(3_MiB)};
  EXPECT_EQ(bad_input([&] { load(memory, files); }),
            "--mem 4M: the kernel needs 6 MiB from 0x80200000, give at least --mem 11M");
  load(GuestMemory{kRamBase, 11_MiB}, files);
}

TEST(BootImages, TreeThatDoesNotFitSaysHowMuchRamItNeeds) {
  const GuestMemory memory{kRamBase, 2_MiB};
  const Files files{.kernel = image(64, {.text_offset = 0, .image_size = 2_MiB - 4096})};
  EXPECT_EQ(bad_input([&] { load(memory, files); }),
            "--mem 2M: the device tree needs 10 KiB from 0x801ff000, give at least --mem 2056K");
  load(GuestMemory{kRamBase, 2056_KiB}, files);
  load(memory, files, 4096);
}

TEST(BootImages, WhatIsAdvisedIsTheLeastThatDoes) {
  const std::string small = elf({{.paddr = 0, .content = pattern(4096)}}, 0);
  const std::vector<Files> cases{
      {.kernel = small},                                   // the tree fits below the kernel
      {.kernel = small, .initrd = pattern(2_MiB - 4096)},  // one of the two does
      {.kernel = small, .initrd = pattern(3_MiB)},         // the tree alone does
      {.kernel = image(5000, {.text_offset = 0, .image_size = 1_MiB}), .initrd = pattern(100'000)},
  };
  for (const Files& files : cases) {
    const std::string line = bad_input([&] { load(GuestMemory{kRamBase, 1_MiB}, files); });
    const uint64_t advised = parse_size("--mem", line.substr(line.rfind(' ') + 1));
    load(GuestMemory{kRamBase, advised}, files);
    EXPECT_NE(bad_input([&] { load(GuestMemory{kRamBase, advised - 4096}, files); }), "") << line;
  }
}

TEST(BootImages, EmptyInitrdIsRefused) {
  const MemoryFile kernel{"x"};
  const MemoryFile initrd{""};
  Config config;
  config.kernel = kernel.path();
  config.initrds = {initrd.path()};
  EXPECT_EQ(bad_input([&] { BootImages{config}; }),
            std::format("--initrd {}: is empty; give an initramfs or initrd image", initrd.path()));
}

TEST(BootImages, LoadingEndsWhereItIsToldTo) {
  struct Enough {};
  const GuestMemory memory{kRamBase, 64_MiB};
  const std::string small = image(5000, {.image_size = 1_MiB});
  const std::vector<Files> slow{
      {.kernel = image(20_MiB)},
      {.kernel = gzip(image(20_MiB))},
      {.kernel = zstd(image(20_MiB))},
      {.kernel = elf({{.paddr = 0, .content = "code", .bss = 20_MiB}}, 0)},
      {.kernel = gzip(elf({{.paddr = 0, .content = "code"}}, 0) + std::string(20_MiB, '\0'))},  // behind its segments
      {.kernel = small, .initrd = std::string(20_MiB, 'i')},
  };
  for (const Files& files : slow) {
    const MemoryFile kernel{files.kernel};
    const MemoryFile initrd{files.initrd.value_or("")};
    Config config;
    config.kernel = kernel.path();
    if (files.initrd) config.initrds = {initrd.path()};
    BootImages images{config};
    int looks = 0;
    images.set_checkpoint([&looks] {
      if (++looks == 3) throw Enough{};
    });
    EXPECT_THROW(images.load(memory), Enough);
    images.set_checkpoint({});
    images.load(memory);
  }
}

TEST(BootImages, MissingTreeIsRefused) {
  const MemoryFile kernel{"x"};
  Config config;
  config.kernel = kernel.path();
  config.dtb = "/none";
  EXPECT_EQ(bad_input([&] { BootImages{config}; }), "--dtb /none: no such file; give a device tree (.dtb)");
}

TEST(BootImages, TreeOfTheUserIsHeldOpen) {
  const MemoryFile kernel{"x"};
  Config config;
  config.kernel = kernel.path();
  EXPECT_EQ(BootImages{config}.user_dtb(), nullptr);
  config.dtb = kernel.path();
  const BootImages images{config};
  ASSERT_NE(images.user_dtb(), nullptr);
  EXPECT_EQ(images.user_dtb()->path(), kernel.path());
}

}  // namespace
}  // namespace rvvmm::boot_images_test

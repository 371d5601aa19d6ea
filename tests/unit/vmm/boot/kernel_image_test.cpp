#include "vmm/boot/kernel_image.hpp"

#include <gmock/gmock.h>

#include "unit/vmm/boot/boot_files.hpp"

namespace rvvmm::kernel_image_test {
namespace {

using namespace rvvmm::testing;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr uint64_t kRam = 16_MiB;

class KernelImage : public ::testing::Test {
 protected:
  LoadedKernel load(std::string_view content) {
    const MemoryFile made{content};
    const InputFile file{"--kernel", made.path(), "a RISC-V kernel image"};
    return load_kernel(file, {.memory = memory_});
  }

  /// The complaint without "--kernel <path>: ", which must be there.
  std::string refusal(std::string_view content) {
    const std::string line = bad_input([&] { load(content); });
    EXPECT_THAT(line, StartsWith("--kernel /proc/self/fd/"));
    const size_t colon = line.find(": ");
    return colon == std::string::npos ? line : line.substr(colon + 2);
  }

  std::string memory_refusal(std::string_view content) {
    return bad_input([&] { load(content); });
  }

  std::string loaded(const LoadedKernel& kernel, uint64_t size) { return text_at(memory_, kernel.range.base, size); }

  /// Content in all the forms that a file may have it in.
  static std::vector<std::string> all_forms(const std::string& content) {
    return {content,
            gzip(content),
            zstd(content),
            zboot(gzip(content), "gzip"),
            zboot(zstd(content), "zstd22"),
            zboot(zstd(content), "zstd")};
  }

  GuestMemory memory_{kRamBase, kRam};
};

TEST_F(KernelImage, ImageGoesToItsTextOffsetInEveryForm) {
  for (const std::string& form : all_forms(image(100'000))) {
    const LoadedKernel kernel = load(form);
    EXPECT_EQ(kernel.entry, kRamBase + 2_MiB);
    EXPECT_EQ(kernel.range, (GpaRange{.base = kRamBase + 2_MiB, .size = 100'000}));
    EXPECT_EQ(loaded(kernel, 100'000), image(100'000));
  }
}

TEST_F(KernelImage, ImageSizeIsReservedWhereItIsMoreThanTheFile) {
  for (const std::string& form : all_forms(image(5000, {.image_size = 1_MiB}))) {
    EXPECT_EQ(load(form).range.size, 1_MiB);
  }
}

TEST_F(KernelImage, FileIsReservedWhereItIsMoreThanImageSize) {
  for (const std::string& form : all_forms(image(5000, {.image_size = 4096}))) {
    EXPECT_EQ(load(form).range.size, 5000U);
  }
}

TEST_F(KernelImage, OtherTextOffsetIsHonoured) {
  EXPECT_EQ(load(image(64, {.text_offset = 0})).entry, kRamBase);
  EXPECT_EQ(load(image(64, {.text_offset = 0x40'1000})).entry, kRamBase + 0x40'1000);
}

TEST_F(KernelImage, OldMagicAloneIsAnImage) {
  std::string content = image(64, {.text_offset = 0x1000});
  put(content, 0x38, uint32_t{0});
  EXPECT_EQ(load(content).entry, kRamBase + 0x1000);
}

TEST_F(KernelImage, SmallestImageIsItsHeader) {
  EXPECT_EQ(load(image(64)).range.size, 64U);
}

TEST_F(KernelImage, ImageWithEfiStubIsAnImage) {
  std::string content = image(4096);
  std::memcpy(content.data(), "MZ", 2);
  put(content, 0x3c, uint32_t{0x40});
  std::memcpy(content.data() + 0x40, "PE\0\0", 4);
  EXPECT_EQ(load(content).range.size, 4096U);
}

TEST_F(KernelImage, ImageThatFillsRamToItsLastByteFits) {
  EXPECT_EQ(load(image(64, {.image_size = kRam - 2_MiB})).range.end(), kRamBase + kRam);
}

TEST_F(KernelImage, ImageOneByteTooLargeSaysHowMuchRamItNeeds) {
  EXPECT_EQ(memory_refusal(image(64, {.image_size = kRam - 2_MiB + 1})),
            "--mem 16M: the kernel needs 15 MiB from 0x80200000, give at least --mem 16388K");
}

TEST_F(KernelImage, PlainFileLargerThanRamSaysHowMuchRamItNeeds) {
  EXPECT_EQ(memory_refusal(image(64) + std::string(15_MiB - 64, '\0')),
            "--mem 16M: the kernel needs 15 MiB from 0x80200000, give at least --mem 19M");
}

TEST_F(KernelImage, TextOffsetBehindRamSaysHowMuchRamItNeeds) {
  EXPECT_EQ(memory_refusal(image(64, {.text_offset = 32_MiB, .image_size = 1_MiB})),
            "--mem 16M: the kernel needs 1 MiB from 0x82000000, give at least --mem 33M");
}

TEST_F(KernelImage, OffsetThatNoKernelCanRunAtIsRefused) {
  EXPECT_THAT(refusal(image(64, {.text_offset = 2_MiB + 1, .image_size = 1_MiB})),
              HasSubstr("Image header asks for offset 0x200001, which is odd"));
}

TEST_F(KernelImage, OffsetThatLinuxDoesNotTakeIsSaid) {
  for (const uint64_t offset : {uint64_t{0}, 2_MiB, 4_MiB}) {
    ::testing::internal::CaptureStderr();
    load(image(64, {.text_offset = offset, .image_size = 1_MiB}));
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "") << offset;
  }
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(load(image(64, {.text_offset = 1_MiB, .image_size = 1_MiB})).entry, kRamBase + 1_MiB);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("offset 0x100000, which is not a multiple of 2 MiB"));
}

TEST_F(KernelImage, HeaderFieldsThatOverflowAreDamage) {
  EXPECT_THAT(refusal(image(64, {.image_size = UINT64_MAX})), HasSubstr("Image header asks for 0xffffffffffffffff"));
  EXPECT_THAT(refusal(image(64, {.text_offset = UINT64_MAX - 0x1000})), HasSubstr("the file is damaged"));
  EXPECT_THAT(refusal(image(64, {.text_offset = 1ULL << 63, .image_size = 1ULL << 63})), HasSubstr("is damaged"));
}

TEST_F(KernelImage, BigEndianImageIsRefused) {
  EXPECT_EQ(refusal(image(64, {.flags = 1})), "is a big-endian kernel Image; rvvmm runs little-endian RISC-V kernels");
}

// Documentation/arch/riscv/boot-image-header.rst: a new minor version only adds, a new major one may change anything.
TEST_F(KernelImage, HeaderOfAnotherMajorVersionIsSaidAndTried) {
  for (const auto& [version, warning] : {std::pair{0x0000'0002U, ""},
                                         {0x0000'ffffU, ""},
                                         {0x0001'0000U, "kernel Image header is version 1.0, 0.2 is known: going on\n"},
                                         {0x0012'0003U, "is version 18.3, 0.2 is known"}}) {
    std::string content = image(100);
    put(content, 0x20, version);
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(load(content).entry, kRamBase + 2_MiB);
    const std::string log = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(log, HasSubstr(warning));
    EXPECT_EQ(log.empty(), std::string_view{warning}.empty()) << log;
  }
}

TEST_F(KernelImage, BlobGoesTwoMiBIntoRamAndIsSaid) {
  const std::string content = pattern(5000);
  for (const std::string& form : all_forms(content)) {
    ::testing::internal::CaptureStderr();
    const LoadedKernel kernel = load(form);
    EXPECT_THAT(::testing::internal::GetCapturedStderr(), HasSubstr("no known kernel format"));
    EXPECT_EQ(kernel.entry, kRamBase + 2_MiB);
    EXPECT_EQ(kernel.range, (GpaRange{.base = kRamBase + 2_MiB, .size = 5000}));
    EXPECT_EQ(loaded(kernel, 5000), content);
  }
}

TEST_F(KernelImage, BlobOfOneByteLoads) {
  EXPECT_EQ(load("x").range.size, 1U);
}

TEST_F(KernelImage, RawIsLoadedAsItIsWhateverItLooksLike) {
  for (const std::string& content : all_forms(image(5000, {.image_size = 1_MiB}))) {
    const MemoryFile made{content};
    const InputFile file{"--kernel", made.path(), "a RISC-V kernel image"};
    ::testing::internal::CaptureStderr();
    const LoadedKernel kernel = load_raw_kernel(file, {.memory = memory_});
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
    EXPECT_EQ(kernel.entry, kRamBase + 2_MiB);
    EXPECT_EQ(kernel.range.size, content.size());
    EXPECT_FALSE(kernel.range_is_whole);
    EXPECT_EQ(loaded(kernel, content.size()), content);
  }
}

TEST_F(KernelImage, CompressedNothingIsRefused) {
  EXPECT_THAT(refusal(gzip("")), HasSubstr("decompresses to nothing"));
}

TEST_F(KernelImage, RamThatEndsBelowTheKernelIsTooSmall) {
  const GuestMemory small{kRamBase, 2_MiB};
  const MemoryFile made{"x"};
  const InputFile file{"--kernel", made.path(), "a kernel"};
  EXPECT_EQ(bad_input([&] { load_kernel(file, {.memory = small}); }),
            "--mem 2M: the kernel needs 1 bytes from 0x80200000, give at least --mem 4100K");
}

// What has been read is not skipped, however much it is.
TEST_F(KernelImage, CompressedKernelLargerThanLargeRamIsNamed) {
  const GuestMemory large{kRamBase, 270_MiB};
  const MemoryFile made{zstd(image(64) + std::string(270_MiB, '\0'))};
  const InputFile file{"--kernel", made.path(), "a kernel"};
  EXPECT_THAT(bad_input([&] { load_kernel(file, {.memory = large}); }),
              HasSubstr("decompresses to more than the 268 MiB of RAM from 0x80200000"));
}

TEST_F(KernelImage, X86BzImageIsRefused) {
  std::string content = pattern(1024);
  std::memcpy(content.data() + 0x202, "HdrS", 4);
  EXPECT_EQ(refusal(content), "is a bzImage for x86; rvvmm runs RISC-V kernels");
}

TEST_F(KernelImage, Arm64ImageIsRefusedInEveryForm) {
  std::string content = pattern(1024);
  std::memcpy(content.data() + 0x38, "ARM\x64", 4);
  for (const std::string& form : all_forms(content)) {
    EXPECT_EQ(refusal(form), "is a kernel Image for arm64; rvvmm runs RISC-V kernels");
  }
}

TEST_F(KernelImage, EfiProgramWithoutImageHeaderIsRefused) {
  std::string content(1024, '\0');
  std::memcpy(content.data(), "MZ", 2);
  put(content, 0x3c, uint32_t{0x80});
  std::memcpy(content.data() + 0x80, "PE\0\0", 4);
  EXPECT_EQ(refusal(content), "is an EFI program without a RISC-V Image header; give a RISC-V kernel image");
}

TEST_F(KernelImage, OtherCompressionsAreNamed) {
  EXPECT_EQ(refusal("\xfd" + std::string("7zXZ\0....", 9)),
            "is compressed by xz, which rvvmm does not read; decompress it and give the result");
  EXPECT_THAT(refusal("\x04\x22\x4d\x18...."), StartsWith("is compressed by lz4,"));
  EXPECT_THAT(refusal("\x02\x21\x4c\x18...."), StartsWith("is compressed by lz4,"));
  EXPECT_THAT(refusal("BZh91AY"), StartsWith("is compressed by bzip2,"));
  EXPECT_THAT(refusal(std::string("\x5d\0\0\x80\0", 5)), StartsWith("is compressed by lzma,"));
}

TEST_F(KernelImage, OtherBootFilesAreNamed) {
  EXPECT_THAT(refusal("070701000000"), HasSubstr("cpio archive"));
  EXPECT_THAT(refusal("\xd0\x0d\xfe\xed...."), HasSubstr("is a device tree"));
}

TEST_F(KernelImage, CompressionInCompressionIsRefused) {
  for (const std::string& inner : {gzip(image(64)), zstd(image(64)), zboot(gzip(image(64)), "gzip")}) {
    EXPECT_THAT(refusal(gzip(inner)), HasSubstr("compressed more than once"));
  }
}

TEST_F(KernelImage, CutAndDamagedStreamsAreRefused) {
  const std::string whole = image(200'000);
  EXPECT_THAT(refusal(gzip(whole).substr(0, 100'000)), HasSubstr("its gzip stream is cut short"));
  EXPECT_THAT(refusal(zstd(whole).substr(0, 100'000)), HasSubstr("its zstd stream is cut short"));
  std::string damaged = gzip(whole);
  damaged[damaged.size() - 6] ^= 1;
  EXPECT_THAT(refusal(damaged), HasSubstr("its gzip stream is corrupt"));
  EXPECT_THAT(refusal(zstd(whole) + "x"), HasSubstr("1 bytes follow the end of its zstd stream"));
}

TEST_F(KernelImage, BombEndsAtTheEndOfRam) {
  for (const std::string& content : {std::string(kRam, 'x'), image(64) + std::string(kRam, '\0')}) {
    for (const std::string& form : {gzip(content), zstd(content)}) {
      EXPECT_THAT(refusal(form), HasSubstr("decompresses to more than the 14 MiB of RAM from 0x80200000"));
    }
  }
}

TEST_F(KernelImage, CompressedContentThatFillsRamToItsLastByteFits) {
  const std::string content = image(64) + std::string(kRam - 2_MiB - 64, '\0');
  EXPECT_EQ(load(gzip(content)).range.end(), kRamBase + kRam);
  EXPECT_THAT(refusal(gzip(content + '\0')), HasSubstr("decompresses to more than"));
}

TEST_F(KernelImage, ZbootPayloadOutsideTheFileIsRefused) {
  std::string content = zboot(gzip(image(64)), "gzip");
  const auto size = static_cast<uint32_t>(content.size() - 0x1000);
  put(content, 12, size + 1);
  EXPECT_THAT(refusal(content), HasSubstr("lies outside the file"));
  put(content, 12, UINT32_MAX);
  EXPECT_THAT(refusal(content), HasSubstr("lies outside the file"));
  put(content, 8, UINT32_MAX);
  EXPECT_THAT(refusal(content), HasSubstr("lies outside the file"));
  put(content, 12, uint32_t{0});
  EXPECT_THAT(refusal(content), HasSubstr("lies outside the file"));
}

TEST_F(KernelImage, ZbootOfOtherCompressionIsNamed) {
  EXPECT_EQ(refusal(zboot("payload", "lzma")),
            "is an EFI zboot image compressed by \"lzma\"; rvvmm reads gzip and zstd");
  EXPECT_THAT(refusal(zboot("payload", std::string_view{"\x1b[2J", 4})), HasSubstr("\"?[2J\""));
}

TEST_F(KernelImage, ZbootHeaderThatIsCutShortIsRefused) {
  EXPECT_THAT(refusal(zboot(gzip("x"), "gzip").substr(0, 20)), HasSubstr("is cut short"));
}

}  // namespace
}  // namespace rvvmm::kernel_image_test

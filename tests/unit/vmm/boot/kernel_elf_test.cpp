#include "vmm/boot/kernel_elf.hpp"

#include <gmock/gmock.h>

#include <cstring>

#include "unit/vmm/boot/boot_files.hpp"

namespace rvvmm::kernel_elf_test {
namespace {

using namespace rvvmm::testing;
using ::testing::HasSubstr;

constexpr size_t kFirstProgramHeader = sizeof(Elf64_Ehdr);

class KernelElf : public ::testing::Test {
 protected:
  KernelElf() { fill_memory(); }

  void fill_memory() { std::memset(memory_.bytes().data(), 0xee, memory_.bytes().size()); }

  LoadedKernel load(std::string_view content) {
    const MemoryFile made{content};
    const InputFile file{"--kernel", made.path(), "a RISC-V kernel image"};
    return load_kernel(file, {.memory = memory_});
  }
  std::string refusal(std::string_view content) {
    return bad_input([&] { load(content); });
  }
  std::string text(uint64_t offset, uint64_t size) { return text_at(memory_, kRamBase + offset, size); }

  static std::vector<std::string> all_forms(const std::string& content) {
    return {content, gzip(content), zboot(zstd(content), "zstd22")};
  }

  template <typename T>
  static std::string with_header(size_t offset, T value) {
    std::string content = elf({{.paddr = 0x8020'0000, .content = "code"}}, 0x8020'0000);
    put(content, offset, value);
    return content;
  }
  template <typename T>
  static std::string with_segment(size_t offset, T value) {
    return with_header(kFirstProgramHeader + offset, value);
  }

  GuestMemory memory_{kRamBase, 4_MiB};
};

TEST_F(KernelElf, SegmentsInRamGoWhereTheyAreLinked) {
  for (const std::string& form : all_forms(
           elf({{.paddr = 0x8010'0000, .content = "code"}, {.paddr = 0x8020'0000, .content = "data"}}, 0x8010'0002))) {
    const LoadedKernel kernel = load(form);
    EXPECT_EQ(kernel.entry, Gpa{0x8010'0002});
    EXPECT_EQ(kernel.range, (GpaRange{.base = Gpa{0x8010'0000}, .size = 0x10'0004}));
    EXPECT_EQ(text(0x10'0000, 4), "code");
    EXPECT_EQ(text(0x20'0000, 4), "data");
  }
}

TEST_F(KernelElf, SegmentAtTheBaseOfRamWorksInTwoMiBOfRam) {
  EXPECT_EQ(load(elf({{.paddr = 0x8000'0000, .content = "code"}}, 0x8000'0000)).entry, kRamBase);
}

TEST_F(KernelElf, KernelLinkedOutsideRamMovesToTwoMiB) {
  for (const std::string& form : all_forms(elf({{.paddr = 0, .content = "code", .vaddr = 0xffff'ffff'8000'0000},
                                                {.paddr = 0x1000, .content = "data", .vaddr = 0xffff'ffff'8000'1000}},
                                               0xffff'ffff'8000'1002))) {
    const LoadedKernel kernel = load(form);
    EXPECT_EQ(kernel.range, (GpaRange{.base = kRamBase + 2_MiB, .size = 0x1004}));
    EXPECT_EQ(kernel.entry, kRamBase + 2_MiB + 0x1002);
    EXPECT_EQ(text(0x20'1000, 4), "data");
  }
}

TEST_F(KernelElf, KernelThatMovesKeepsItsPlaceInThePage) {
  EXPECT_EQ(load(elf({{.paddr = 0x1040, .content = "code"}}, 0x1040)).entry, kRamBase + 2_MiB + 0x40);
}

TEST_F(KernelElf, PhysicalEntryOfAKernelWithVirtualAddressesIsFound) {
  const std::string content =
      elf({{.paddr = 0x8020'0000, .content = "code", .vaddr = 0xffff'ffff'8000'0000}}, 0x8020'0002);
  EXPECT_EQ(load(content).entry, Gpa{0x8020'0002});
}

TEST_F(KernelElf, BssIsClearedAndReserved) {
  for (const std::string& form :
       all_forms(elf({{.paddr = 0x8020'0000, .content = "code", .bss = 0x2000}}, 0x8020'0000))) {
    fill_memory();
    EXPECT_EQ(load(form).range.size, 0x2004U);
    EXPECT_EQ(text(0x20'0004, 0x2000), std::string(0x2000, '\0'));
    EXPECT_EQ(text(0x20'2004, 1), "\xee");
  }
}

TEST_F(KernelElf, SegmentsOutOfOrderInTheFileAreReadInTheirOrder) {
  for (const std::string& form : all_forms(
           elf({{.paddr = 0x8030'0000, .content = "data"}, {.paddr = 0x8020'0000, .content = "code"}}, 0x8020'0000))) {
    load(form);
    EXPECT_EQ(text(0x20'0000, 4), "code");
    EXPECT_EQ(text(0x30'0000, 4), "data");
  }
}

TEST_F(KernelElf, ProgramHeadersBehindTheSegmentsWorkInAPlainFile) {
  std::string content = elf({{.paddr = 0x8020'0000, .content = pattern(9000)}}, 0x8020'0000);
  const std::string table = content.substr(kFirstProgramHeader, sizeof(Elf64_Phdr));
  put(content, offsetof(Elf64_Ehdr, e_phoff), content.size());
  content += table;
  load(content);
  EXPECT_EQ(text(0x20'0000, 9000), pattern(9000));
  EXPECT_THAT(refusal(gzip(content)), HasSubstr("out of order in the compressed file; decompress it"));
}

TEST_F(KernelElf, DamagedChecksumBehindTheSegmentsIsSeen) {
  std::string content = gzip(elf({{.paddr = 0x8020'0000, .content = "code"}}, 0x8020'0000) + std::string(100'000, 'd'));
  content[content.size() - 6] ^= 1;
  EXPECT_THAT(refusal(content), HasSubstr("its gzip stream is corrupt"));
}

TEST_F(KernelElf, KernelThatLeavesRamSaysHowMuchRamItNeeds) {
  EXPECT_EQ(refusal(elf({{.paddr = 0x8020'0000, .content = "code", .bss = 2_MiB}}, 0x8020'0000)),
            "--mem 4M: the kernel needs 3 MiB from 0x80200000, give at least --mem 4100K");
  EXPECT_EQ(refusal(elf({{.paddr = 0, .content = "code", .bss = 10_MiB - 4}}, 0)),
            "--mem 4M: the kernel needs 10 MiB from 0x80200000, give at least --mem 12M");
}

TEST_F(KernelElf, EntryThatIsNoInstructionsAddressIsRefused) {
  EXPECT_THAT(refusal(elf({{.paddr = 0x8020'0000, .content = "code"}}, 0x8020'0001)),
              HasSubstr("ELF entry point 0x80200001 is odd"));
  EXPECT_EQ(load(elf({{.paddr = 0x8020'0000, .content = "code"}}, 0x8020'0002)).entry, Gpa{0x8020'0002});
}

TEST_F(KernelElf, OtherMachinesAreNamed) {
  EXPECT_THAT(refusal(with_header(offsetof(Elf64_Ehdr, e_machine), uint16_t{EM_X86_64})),
              HasSubstr(": is an ELF file for x86-64; rvvmm runs RISC-V kernels"));
  EXPECT_THAT(refusal(with_header(offsetof(Elf64_Ehdr, e_machine), uint16_t{EM_AARCH64})), HasSubstr("for arm64;"));
  EXPECT_THAT(refusal(with_header(offsetof(Elf64_Ehdr, e_machine), uint16_t{0x1234})), HasSubstr("machine 4660;"));
}

TEST_F(KernelElf, OtherKindsOfElfFileAreNamed) {
  EXPECT_THAT(refusal(with_header(EI_CLASS, uint8_t{ELFCLASS32})), HasSubstr("is a 32-bit ELF file"));
  std::string big = with_header(EI_DATA, uint8_t{ELFDATA2MSB});
  EXPECT_THAT(refusal(big), HasSubstr("rvvmm runs RISC-V kernels"));
  put(big, offsetof(Elf64_Ehdr, e_machine), uint16_t{0xf300});
  EXPECT_THAT(refusal(big), HasSubstr("is a big-endian ELF file"));
  EXPECT_THAT(refusal(with_header(offsetof(Elf64_Ehdr, e_type), uint16_t{ET_REL})), HasSubstr("object file"));
  EXPECT_THAT(refusal(with_header(offsetof(Elf64_Ehdr, e_type), uint16_t{ET_CORE})), HasSubstr("core dump"));
  EXPECT_THAT(refusal(with_header(offsetof(Elf64_Ehdr, e_type), uint16_t{99})), HasSubstr("of type 99"));
}

TEST_F(KernelElf, HeaderThatIsCutShortIsRefused) {
  EXPECT_THAT(refusal(elf({}, 0).substr(0, 63)), HasSubstr("is cut short: an ELF header has 64 bytes"));
}

TEST_F(KernelElf, AbsurdProgramHeadersAreDamage) {
  EXPECT_THAT(refusal(with_header(offsetof(Elf64_Ehdr, e_phnum), uint16_t{0})), HasSubstr("without program headers"));
  EXPECT_THAT(refusal(with_header(offsetof(Elf64_Ehdr, e_phnum), uint16_t{0xffff})),
              HasSubstr("65535 program headers"));
  EXPECT_THAT(refusal(with_header(offsetof(Elf64_Ehdr, e_phentsize), uint16_t{32})), HasSubstr("of 32 bytes"));
  EXPECT_THAT(refusal(with_header(offsetof(Elf64_Ehdr, e_phoff), uint64_t{UINT64_MAX})), HasSubstr("outside the file"));
  EXPECT_THAT(refusal(with_header(offsetof(Elf64_Ehdr, e_phoff), uint64_t{0x1000})), HasSubstr("outside the file"));
}

TEST_F(KernelElf, AbsurdSegmentsAreDamage) {
  EXPECT_THAT(refusal(with_segment(offsetof(Elf64_Phdr, p_type), uint32_t{PT_NOTE})), HasSubstr("without segments"));
  EXPECT_THAT(refusal(with_segment(offsetof(Elf64_Phdr, p_memsz), uint64_t{3})), HasSubstr("more bytes in the file"));
  EXPECT_THAT(refusal(with_segment(offsetof(Elf64_Phdr, p_memsz), uint64_t{UINT64_MAX})), HasSubstr("any machine"));
  EXPECT_THAT(refusal(with_segment(offsetof(Elf64_Phdr, p_paddr), uint64_t{UINT64_MAX - 2})),
              HasSubstr("past the end of the address space"));
  EXPECT_THAT(refusal(with_segment(offsetof(Elf64_Phdr, p_offset), uint64_t{0x1001})), HasSubstr("outside the file"));
  EXPECT_THAT(refusal(with_segment(offsetof(Elf64_Phdr, p_offset), uint64_t{UINT64_MAX})),
              HasSubstr("outside the file"));
}

TEST_F(KernelElf, AbsurdSegmentsOfCompressedFilesAreDamage) {
  EXPECT_THAT(refusal(gzip(with_segment(offsetof(Elf64_Phdr, p_offset), uint64_t{0x1001}))), HasSubstr("is cut short"));
  EXPECT_THAT(refusal(zstd(with_segment(offsetof(Elf64_Phdr, p_offset), uint64_t{1} << 40))),
              HasSubstr("too far into the compressed file"));
}

TEST_F(KernelElf, MoreThanAGiBBehindTheSegmentsOfACompressedFileIsRefused) {
  const std::string zeroes = zstd(std::string(64_MiB, '\0'));
  std::string content = zstd(elf({{.paddr = 0x8020'0000, .content = "code"}}, 0x8020'0000));
  EXPECT_EQ(load(content + zeroes).entry, Gpa{0x8020'0000});
  for (int i = 0; i < 17; ++i)
    content += zeroes;
  EXPECT_THAT(refusal(content), HasSubstr("more than 1 GiB follow the ELF segments in the compressed file; strip it"));
}

TEST_F(KernelElf, SegmentsThatShareAByteAreDamage) {
  EXPECT_THAT(
      refusal(elf({{.paddr = 0x8020'0000, .content = "code"}, {.paddr = 0x8020'0003, .content = "data"}}, 0x8020'0000)),
      HasSubstr("ELF segments at 0x80200000 and 0x80200003 overlap"));
  load(elf({{.paddr = 0x8020'0000, .content = "code"}, {.paddr = 0x8020'0004, .content = "data"}}, 0x8020'0000));
  EXPECT_EQ(text(0x20'0000, 8), "codedata");
}

TEST_F(KernelElf, SegmentsFarApartAreDamage) {
  EXPECT_THAT(refusal(elf({{.paddr = 0, .content = "code"}, {.paddr = 1ULL << 60, .content = "data"}}, 0)),
              HasSubstr("bytes apart"));
}

TEST_F(KernelElf, EntryOutsideTheSegmentsIsDamage) {
  EXPECT_THAT(refusal(elf({{.paddr = 0x8020'0000, .content = "code"}}, 0x8020'0004)),
              HasSubstr("ELF entry point 0x80200004 is not in any segment"));
}

}  // namespace
}  // namespace rvvmm::kernel_elf_test

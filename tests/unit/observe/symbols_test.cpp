#include "observe/symbols.hpp"

#include <elf.h>
#include <gmock/gmock.h>

#include <array>
#include <cstring>
#include <string_view>

#include "base/error.hpp"

namespace rvvmm::symbols_test {
namespace {

using ::testing::HasSubstr;

Symbols symbols_in(std::string_view text) {
  return {std::as_bytes(std::span{text}), "f"};
}

std::string error_of(std::string_view text) {
  try {
    symbols_in(text);
  } catch (const SetupError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kBadInput);
    return error.what();
  }
  return "no error";
}

TEST(Symbols, SystemMapNamesTheSymbolBelow) {
  const Symbols symbols = symbols_in("ffffffff80000100 t memset\nffffffff80000000 T _start\nffffffff80000200 T memcpy");
  EXPECT_EQ(symbols.name_of(0xffffffff80000000), "_start");
  EXPECT_EQ(symbols.name_of(0xffffffff80000110), "memset+0x10");
  EXPECT_EQ(symbols.name_of(0xffffffff80000200), "memcpy");
}

TEST(Symbols, WhatIsBelowAllOrFarAboveHasNoName) {
  const Symbols symbols = symbols_in("80200000 T _start\n");
  EXPECT_EQ(symbols.name_of(0x801fffff), "");
  EXPECT_EQ(symbols.name_of(0x80300000), "_start+0x100000");
  EXPECT_EQ(symbols.name_of(0x80300001), "");
  EXPECT_EQ(Symbols{}.name_of(0), "");
}

TEST(Symbols, MarksOfTheCompilerAreNoNames) {
  EXPECT_EQ(symbols_in("10 T f\n18 t $x\n19 t .L4\n").name_of(0x1a), "f+0xa");
}

TEST(Symbols, WhatIsNoMapSaysWhichLine) {
  EXPECT_EQ(error_of("80200000 T _start\nhello\n"),
            "--symbols f: line 2 is not a line of a System.map; give that or the vmlinux of the guest's kernel");
  EXPECT_THAT(error_of("80200000 T"), HasSubstr("line 1 is not a line"));
  EXPECT_THAT(error_of("80200000 t $x\n"), HasSubstr("holds no symbols"));
}

/// An ELF file of a table of two symbols and their names.
struct SmallElf {
  Elf64_Ehdr header{};
  std::array<Elf64_Shdr, 2> sections{};
  std::array<Elf64_Sym, 3> symbols{};
  std::array<char, 16> names{"\0start\0data"};

  SmallElf() {
    std::memcpy(header.e_ident, ELFMAG, SELFMAG);
    header.e_ident[EI_CLASS] = ELFCLASS64;
    header.e_ident[EI_DATA] = ELFDATA2LSB;
    header.e_shoff = offsetof(SmallElf, sections);
    header.e_shnum = 2;
    sections[0].sh_type = SHT_SYMTAB;
    sections[0].sh_offset = offsetof(SmallElf, symbols);
    sections[0].sh_size = sizeof(symbols);
    sections[0].sh_link = 1;
    sections[1].sh_type = SHT_STRTAB;
    sections[1].sh_offset = offsetof(SmallElf, names);
    sections[1].sh_size = sizeof(names);
    symbols[1] = {.st_name = 1,
                  .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                  .st_other = 0,
                  .st_shndx = 1,
                  .st_value = 0x8020'0000,
                  .st_size = 4};
    symbols[2] = {.st_name = 7,
                  .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
                  .st_other = 0,
                  .st_shndx = 1,
                  .st_value = 0x8020'0002,
                  .st_size = 4};
  }
  std::string_view bytes() const { return {reinterpret_cast<const char*>(this), sizeof(*this)}; }
};

TEST(Symbols, ElfNamesFunctionsAndNoData) {
  const SmallElf elf;
  EXPECT_EQ(symbols_in(elf.bytes()).name_of(0x8020'0003), "start+0x3");
}

TEST(Symbols, ElfMayLie) {
  SmallElf elf;
  EXPECT_EQ(error_of(elf.bytes().substr(0, 20)),
            "--symbols f: is not a 64-bit ELF file; give the vmlinux of the guest's kernel");
  elf.sections[0].sh_offset = UINT64_MAX;
  EXPECT_EQ(error_of(elf.bytes()), "--symbols f: is cut off");
  elf = {};
  elf.header.e_shoff = UINT64_MAX - 8;
  EXPECT_EQ(error_of(elf.bytes()), "--symbols f: is cut off");
  elf = {};
  elf.symbols[1].st_name = 1'000'000;
  EXPECT_THAT(error_of(elf.bytes()), HasSubstr("holds no symbols"));
  elf = {};
  elf.sections[0].sh_link = UINT32_MAX;
  EXPECT_EQ(error_of(elf.bytes()), "--symbols f: is cut off");
}

}  // namespace
}  // namespace rvvmm::symbols_test

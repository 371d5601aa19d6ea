#include "observe/symbols.hpp"

#include <elf.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <format>
#include <iterator>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/printable.hpp"

namespace rvvmm {
namespace {

constexpr uint64_t kFarthest = 1UL << 20;

SetupError bad_file(const std::string& file, std::string_view why) {
  return SetupError{ExitStatus::kBadInput, std::format("--symbols {}: {}", printable(file), why)};
}

/// nullopt if it is not completely within `bytes`.
template <typename Structure>
std::optional<Structure> structure_at(std::span<const std::byte> bytes, uint64_t at) noexcept {
  if (at > bytes.size() || sizeof(Structure) > bytes.size() - at) return std::nullopt;
  Structure structure;
  std::memcpy(&structure, bytes.data() + at, sizeof(structure));
  return structure;
}

std::optional<std::span<const std::byte>> section_bytes(std::span<const std::byte> bytes, const Elf64_Shdr& section) {
  if (section.sh_offset > bytes.size() || section.sh_size > bytes.size() - section.sh_offset) return std::nullopt;
  return bytes.subspan(section.sh_offset, section.sh_size);
}

/// Empty if it does not end within `strings`.
std::string string_at(std::span<const std::byte> strings, uint64_t at) {
  if (at >= strings.size()) return {};
  const auto* const text = reinterpret_cast<const char*>(strings.data() + at);
  const size_t length = ::strnlen(text, strings.size() - at);
  return length == strings.size() - at ? std::string{} : std::string(text, length);
}

bool names_code(const Elf64_Sym& symbol) noexcept {
  const auto type = ELF64_ST_TYPE(symbol.st_info);
  return symbol.st_shndx != SHN_UNDEF && symbol.st_shndx < SHN_LORESERVE && (type == STT_FUNC || type == STT_NOTYPE);
}

// Local symbols of the compiler and the assembler: "$x", ".L12".
bool is_a_mark(std::string_view name) noexcept {
  return name.empty() || name.front() == '$' || name.starts_with(".L");
}

}  // namespace

Symbols::Symbols(std::span<const std::byte> content, const std::string& file) {
  const std::string_view text{reinterpret_cast<const char*>(content.data()), content.size()};
  if (text.starts_with(ELFMAG)) {
    read_elf(content, file);
  } else {
    read_map(text, file);
  }
  if (symbols_.empty())
    throw bad_file(file, "holds no symbols; give the System.map or the vmlinux of the guest's kernel");
  std::ranges::stable_sort(symbols_, {}, &Symbol::address);
}

void Symbols::read_elf(std::span<const std::byte> content, const std::string& file) {
  const auto header = structure_at<Elf64_Ehdr>(content, 0);
  if (!header || header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB)
    throw bad_file(file, "is not a 64-bit ELF file; give the vmlinux of the guest's kernel");
  for (uint64_t i = 0; i < header->e_shnum; ++i) {
    const auto table = structure_at<Elf64_Shdr>(content, header->e_shoff + i * sizeof(Elf64_Shdr));
    if (!table) throw bad_file(file, "is cut off");
    if (table->sh_type != SHT_SYMTAB) continue;
    const auto names = structure_at<Elf64_Shdr>(content, header->e_shoff + table->sh_link * sizeof(Elf64_Shdr));
    const auto entries = section_bytes(content, *table);
    const auto strings = names ? section_bytes(content, *names) : std::nullopt;
    if (!entries || !strings) throw bad_file(file, "is cut off");
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= entries->size(); at += sizeof(Elf64_Sym)) {
      const auto symbol = structure_at<Elf64_Sym>(*entries, at);
      std::string name = names_code(*symbol) ? string_at(*strings, symbol->st_name) : std::string{};
      if (!is_a_mark(name)) symbols_.push_back({.address = symbol->st_value, .name = printable(name)});
    }
    return;  // a file has at most one symbol table (ELF 1.2, "Sections")
  }
}

void Symbols::read_map(std::string_view text, const std::string& file) {
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    uint64_t address = 0;
    const auto [rest, problem] = std::from_chars(line.data(), line.data() + line.size(), address, 16);
    const auto used = static_cast<size_t>(rest - line.data());
    if (problem != std::errc{} || line.size() < used + 4 || line[used] != ' ' || line[used + 2] != ' ')
      throw bad_file(file, std::format("line {} is not a line of a System.map; give that or the vmlinux of the guest's "
                                       "kernel",
                                       number));
    if (const std::string_view name = line.substr(used + 3); !is_a_mark(name))
      symbols_.push_back({.address = address, .name = printable(name)});
  }
}

std::string Symbols::name_of(uint64_t address) const {
  const auto after = std::ranges::upper_bound(symbols_, address, {}, &Symbol::address);
  if (after == symbols_.begin()) return {};
  const Symbol& symbol = *std::prev(after);
  const uint64_t offset = address - symbol.address;
  if (offset > kFarthest) return {};
  return offset == 0 ? symbol.name : std::format("{}+{:#x}", symbol.name, offset);
}

}  // namespace rvvmm

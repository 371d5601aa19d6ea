// Symbol names of a guest's kernel, from System.map or from the symbol table of an ELF file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace rvvmm {

class Symbols {
 public:
  /// An empty table.
  Symbols() = default;
  /// `content`: an ELF64 file with a symbol table, or lines "ffffffff80000000 T _start". `file`: its name for messages.
  /// Throws SetupError (kBadInput).
  Symbols(std::span<const std::byte> content, const std::string& file);

  /// "memset+0x10", "memset". Empty if no symbol begins at `address` or within 1 MiB below it.
  std::string name_of(uint64_t address) const;
  size_t size() const noexcept { return symbols_.size(); }

 private:
  struct Symbol {
    uint64_t address;
    std::string name;
  };

  void read_elf(std::span<const std::byte> content, const std::string& file);
  void read_map(std::string_view text, const std::string& file);

  std::vector<Symbol> symbols_;  // sorted by address
};

}  // namespace rvvmm

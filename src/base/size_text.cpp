#include "base/size_text.hpp"

#include <array>
#include <format>

#include "base/types.hpp"

namespace rvvmm {

std::string mem_text(uint64_t bytes) {
  struct Suffix {
    int shift;
    char letter;
  };
  constexpr std::array kSuffixes{Suffix{40, 'T'}, Suffix{30, 'G'}, Suffix{20, 'M'}, Suffix{10, 'K'}};
  for (const auto [shift, letter] : kSuffixes) {
    const uint64_t number = bytes >> shift;
    if (number != 0 && number << shift == bytes) return std::format("{}{}", number, letter);
  }
  return std::format("{}", bytes);
}

std::string size_text(uint64_t bytes) {
  if (bytes >= 1_GiB && bytes % 1_GiB == 0) return std::format("{} GiB", bytes / 1_GiB);
  if (bytes >= 1_MiB) return std::format("{} MiB", align_up(bytes, 1_MiB) / 1_MiB);
  if (bytes >= 1_KiB) return std::format("{} KiB", align_up(bytes, 1_KiB) / 1_KiB);
  return std::format("{} bytes", bytes);
}

}  // namespace rvvmm
